#!/bin/sh
# Debian's Linux for `make bench LINUX=1`: linux.sh DEST DOWNLOADS
#
# linux-image-amd64 is an empty package that depends on the kernel of the day. Of that one, 400 MB
# unpacked, only the image and the network card's module are kept.
set -eu

dest=$1
downloads=$2
work=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work"' EXIT

user/debs.sh "$work/meta" "$downloads" linux-image-amd64
image=$(grep '^linux-image-' "$downloads/debs/linux-image-amd64.depends")
user/debs.sh "$work/image" "$downloads" "$image"
rm -rf "$downloads/debs/$image"

mkdir -p "$dest/root/lib"
cp "$work"/image/boot/vmlinuz-* "$dest/vmlinuz"
cp "$work"/image/lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/e1000.ko "$dest/root/lib/"
