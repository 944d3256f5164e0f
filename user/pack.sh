#!/bin/sh
# Packs the root file system: pack.sh LIST ARCHIVE [EXTRA]
#
# LIST      a file whose first line names the programs, .../bin/NAME, .../tests/NAME, .../bench/NAME,
#           where they go by their last two parts; but bin/init becomes /init
# ARCHIVE   the cpio archive (newc) to write
# EXTRA     a folder whose files are added, over those that are there
#
# The same input gives the same bytes: sorted names, no times, no inode numbers, owner root. It is
# put together in a folder of its own, so that two makes do not step on each other.
set -eu

list=$1
archive=$2
extra=${3:-}

root=$(mktemp -d "$archive.XXXXXX")
trap 'rm -rf "$root" "$archive.new.$$"' EXIT

mkdir -p "$root/dev" "$root/proc" "$root/tmp" "$root/etc"
mkdir -p "$root/bin" "$root/tests" "$root/bench"
for program in $(head -n 1 "$list"); do
	folder=${program%/*}
	strip -o "$root/${folder##*/}/${program##*/}" "$program"
done
mv "$root/bin/init" "$root/init"
echo pollux >"$root/etc/hostname"
chmod -R u=rwX,go=rX "$root"
chmod 1777 "$root/tmp"
[ -z "$extra" ] || cp -R --preserve=mode "$extra/." "$root/"

find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet --create --format=newc --reproducible --owner=+0:+0) >"$archive.new.$$"
mv "$archive.new.$$" "$archive"
