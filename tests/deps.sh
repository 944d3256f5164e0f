#!/bin/sh
# Sees to it that the machine has what a job needs: deps.sh build|run|test|check|debug
#
# Each line of the table names the jobs, Debian's package, and a command or a file that proves it is
# there. Nothing missing: a few milliseconds, no output. Something missing: says which packages, and
# installs them on a Debian-like system, through sudo unless we are root. Elsewhere, or where sudo is
# not to be had, it lists them and stops.
set -u
job=${1:?usage: deps.sh build|run|test|check|debug}
case ${CC:-gcc} in *clang*) compiler=clang ;; *) compiler=gcc ;; esac

table() {
	cat <<-END
		build $compiler           ${CC:-gcc}
		build binutils            ld
		build libc6-dev           /usr/include/stdlib.h
		build nasm                nasm
		build musl-tools          musl-gcc
		build cpio                cpio
		build patch               patch
		build xz-utils            xz
		build dpkg-dev            dpkg-source
		build grub-common         grub-mkrescue
		build grub-pc-bin         /usr/lib/grub/i386-pc
		build grub-efi-amd64-bin  /usr/lib/grub/x86_64-efi
		build xorriso             xorriso
		build mtools              mformat
		run   qemu-system-x86     qemu-system-x86_64
		debug gdb                 gdb
		test  ovmf                /usr/share/ovmf/OVMF.fd
		test  python3-pytest      /usr/lib/python3/dist-packages/pytest
		test  python3-pexpect     /usr/lib/python3/dist-packages/pexpect
		test  iproute2            ip
		test  spin                spin
		test  iputils-ping        ping
		test  curl                curl
		check clang-format        clang-format
		check clang-tidy          clang-tidy
		check cppcheck            cppcheck
	END
}

case $job in
build) wanted="build" ;;
run) wanted="build run" ;;
debug) wanted="build run debug" ;;
test) wanted="build run test" ;;
check) wanted="build check" ;;
*) echo "deps.sh: unknown job $job" >&2; exit 2 ;;
esac

# Where ordinary users do not look, but ip and others live.
PATH=$PATH:/usr/sbin:/sbin
find_missing() {
	missing=$(table | while read -r for package proof; do
		case " $wanted " in *" $for "*) ;; *) continue ;; esac
		case $proof in
		/*) [ -e "$proof" ] ;;
		*) command -v "$proof" >/dev/null ;;
		esac || echo "$package"
	done | tr '\n' ' ')
}

find_missing
[ -n "$missing" ] || exit 0

echo "Missing packages: $missing"
if ! command -v apt-get >/dev/null; then
	echo "These are Debian's names. Install what provides them, then run make again." >&2
	exit 1
fi
if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root="sudo"
else
	echo "Neither root nor sudo: run as root:  apt-get install $missing" >&2
	exit 1
fi
echo "Installing them (${as_root:+$as_root }apt-get install) ..."
$as_root apt-get -qq update || echo "apt-get update failed; trying with the lists as they are" >&2
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing

find_missing
[ -z "$missing" ] || { echo "Still missing: $missing" >&2; exit 1; }
