#!/bin/sh
# Unpacks Debian packages, and the shared objects that their programs need, into a folder:
#
#	debs.sh DEST DOWNLOADS PACKAGE...
#
# DEST       becomes the root of a file system; replaced as a whole, at the end
# DOWNLOADS  keeps each package as it was unpacked, so that it is fetched once
#
# The packages named come as they are, without documentation. Of what they depend on only shared
# objects are taken: each ELF file names those it needs and its loader, and by Debian's rules the
# package that has them is among the direct dependencies of the file's own. So the closure is found
# file by file. No script of a package runs.
#
# apt knows the mirrors of this machine and verifies what it fetches. Where its lists are missing or
# too old, lists of our own are made in a folder, for which one need not be root.
set -eu

dest=$1
downloads=$2
shift 2

mkdir -p "$downloads/debs" "$(dirname "$dest")"
downloads=$(cd "$downloads" && pwd)
work=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work" "$work.queue"' EXIT

# Two makes in one tree take turns.
exec 9>"$downloads/lock"
flock 9

# apt-get with the system's lists or, once there, with our own.
apt() {
	[ ! -d "$downloads/lists/partial" ] ||
		set -- -o Dir::State::lists="$downloads/lists" -o Dir::Cache="$downloads/cache" "$@"
	apt-get -qq -o APT::Sandbox::User="$(id -un)" "$@"
}

own_lists() {
	mkdir -p "$downloads/lists/partial" "$downloads/cache/archives/partial"
	apt -o APT::Get::List-Cleanup=0 update
}

# Sees to it that $downloads/debs/PACKAGE is there, and PACKAGE.depends, a name a line.
unpack() {
	[ ! -d "$downloads/debs/$1" ] || [ ! -f "$downloads/debs/$1.depends" ] || return 0
	rm -rf "$downloads/deb.new"
	mkdir "$downloads/deb.new"
	(
		cd "$downloads/deb.new"
		apt download "$1" 2>/dev/null || { own_lists && apt download "$1"; }
		dpkg-deb -x ./*.deb .
		dpkg-deb -f ./*.deb Pre-Depends Depends | tr '|,' '\n\n' |
			sed 's/^.*Depends: //; s/^ *//; s/[ (:].*//' >"$downloads/debs/$1.depends"
		rm -rf ./*.deb usr/share/doc usr/share/man usr/share/info usr/share/locale \
			usr/share/lintian usr/share/initramfs-tools usr/share/bash-completion \
			lib/systemd usr/lib/systemd etc/init.d
	)
	rm -rf "$downloads/debs/$1"
	mv "$downloads/deb.new" "$downloads/debs/$1"
}

# The shared objects and the loader that a file names; nothing if it is no ELF file.
needed() {
	readelf -dlW "$1" 2>/dev/null |
		sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p; s/.*program interpreter: \(.*\)\].*/\1/p'
}

# provide NAME PACKAGE: puts what a file of PACKAGE needs in place, and goes on with what that needs.
provide() {
	local name package found to

	name=${1##*/}
	[ -z "$(find "$work" -name "$name" | head -n 1)" ] || return 0
	for package in $2 $(grep lib "$downloads/debs/$2.depends"); do
		unpack "$package"
		found=$(cd "$downloads/debs/$package" && find . -name "$name" ! -lname '/*' | head -n 1)
		[ -n "$found" ] || continue
		case $1 in
		/*) to=$work$1 ;;
		*) to=$work/$found ;;
		esac
		mkdir -p "${to%/*}"
		cp -L "$downloads/debs/$package/$found" "$to"
		echo "$package $to" >>"$work.queue"
		return 0
	done
	echo "debs.sh: $2 needs $1, and no package that it depends on has it" >&2
	return 1
}

for package; do
	unpack "$package"
	cp -a "$downloads/debs/$package/." "$work/"
	find "$downloads/debs/$package" -type f -perm /111 -o -type f -name '*.so*' |
		sed "s|^|$package |" >>"$work.queue"
done
# The queue grows while it is read.
while read -r package file; do
	for name in $(needed "$file"); do
		provide "$name" "$package"
		# glibc opens it by itself, when a thread is cancelled or calls pthread_exit().
		[ "$name" != libc.so.6 ] || provide libgcc_s.so.1 libc6
	done
done <"$work.queue"

rm -rf "$dest"
chmod 755 "$work"
mv "$work" "$dest"
