#!/bin/sh
# Packs the root file system: pack.sh LIST ARCHIVE [EXTRA]
#
# LIST      a file whose first line names the programs, .../bin/NAME, .../tests/NAME, .../bench/NAME,
#           .../stress/NAME, where they go by their last two parts; but bin/init becomes /init
# ARCHIVE   the cpio archive (newc) to write
# EXTRA     a folder whose files are added, over those that are there
#
# The same input gives the same bytes: sorted names, no times, no inode numbers, owner root. It is
# put together in a folder of its own, so that two makes do not step on each other. The list with
# bin/init is that of the root file system and brings its folders along.
set -eu

list=$1
archive=$2
extra=${3:-}

root=$(mktemp -d "$archive.XXXXXX")
trap 'rm -rf "$root" "$archive.new.$$"' EXIT

for program in $(head -n 1 "$list"); do
	folder=${program%/*}
	mkdir -p "$root/${folder##*/}"
	strip -o "$root/${folder##*/}/${program##*/}" "$program"
done
if [ -e "$root/bin/init" ]; then
	mv "$root/bin/init" "$root/init"
	mkdir -p "$root/dev" "$root/proc" "$root/tmp" "$root/etc"
	echo pollux >"$root/etc/hostname"
fi
chmod -R u=rwX,go=rX "$root"
[ ! -e "$root/tmp" ] || chmod 1777 "$root/tmp"
[ -z "$extra" ] || cp -R --preserve=mode "$extra/." "$root/"

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet --create --format=newc --reproducible --owner=+0:+0) >"$archive.new.$$"
mv "$archive.new.$$" "$archive"
