#!/bin/sh
# Packs a root file system: pack.sh LIST ARCHIVE [FOLDER...]
#
# LIST      a file whose first line names the programs, .../bin/NAME, .../tests/NAME, .../bench/NAME,
#           .../stress/NAME, where they go by their last two parts; but bin/init becomes /init
# ARCHIVE   the cpio archive (newc) to write
# FOLDER    its files are added, over those that are there
#
# A busybox in /bin gets a link for each of its tools that nothing else in /bin is. The same input
# gives the same bytes: sorted names, no times, no inode numbers, owner root. It is put together in
# a folder of its own, so that two makes do not step on each other. The list with bin/init is that of
# the root file system and brings the empty folders along.
set -eu

list=$1
archive=$2
shift 2

root=$(mktemp -d "$archive.XXXXXX")
trap 'rm -rf "$root" "$archive.new.$$"' EXIT

for program in $(head -n 1 "$list"); do
	folder=${program%/*}
	mkdir -p "$root/${folder##*/}"
	strip -o "$root/${folder##*/}/${program##*/}" "$program"
done
if [ -e "$root/bin/init" ]; then
	mv "$root/bin/init" "$root/init"
	for folder in dev etc mnt proc root run sys/kernel tmp usr/bin var/log var/run; do
		mkdir -p "$root/$folder"
	done
	ln -s /proc/trace "$root/sys/kernel/tracing" # where Linux has it
fi
for folder; do
	cp -R --preserve=mode --remove-destination "$folder/." "$root/"
done
if [ -x "$root/bin/busybox" ]; then
	for tool in $("$root/bin/busybox" --list); do
		case $tool in init | linuxrc) continue ;; esac
		[ -e "$root/bin/$tool" ] || ln -s busybox "$root/bin/$tool"
	done
fi
chmod -R u=rwX,go=rX "$root"
for folder in tmp var/tmp; do
	[ ! -d "$root/$folder" ] || chmod 1777 "$root/$folder"
done

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet --create --format=newc --reproducible --owner=+0:+0) >"$archive.new.$$"
mv "$archive.new.$$" "$archive"
