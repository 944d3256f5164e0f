#!/bin/sh
# Puts the self-tests of Linux 6.1 that programs.txt needs into a folder: fetch.sh DEST
#
# They come with Debian's package linux-source-6.1, which apt downloads and verifies: with the lists
# that the machine has, or else with fresh ones in a folder of our own, so without root. Of the 140 MB only
# the few files are kept.
set -eu

dest=$1
package=linux-source-6.1

mkdir -p "$(dirname "$dest")"
work=$(mktemp -d "$dest.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Two makes in one tree take turns.
exec 9>"$dest.lock"
flock 9
[ ! "$dest/.ready" -nt "$0" ] || exit 0

download() {
	(cd "$work" && apt-get -qq -o APT::Sandbox::User="$(id -un)" "$@" download "$package")
}
if ! download 2>/dev/null; then
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	set -- -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache"
	apt-get -qq -o APT::Sandbox::User="$(id -un)" "$@" update
	download "$@"
fi

dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -xO "./usr/src/$package.tar.xz" |
	xz -dc | tar -xf - -C "$work" --strip-components=1 --wildcards \
	"$package/tools/testing/selftests/*.[chS]" "$package/arch/x86/include/asm/desc_defs.h"
# Their patience of 30 s a test is for a machine that is not emulated.
sed -i 's/\(define TEST_TIMEOUT_DEFAULT\) 30/\1 120/' "$work/tools/testing/selftests/kselftest_harness.h"
# Nor are 10 ms for threads to fall asleep, and 30 ms until they give up.
for test in futex_requeue futex_wait; do
	sed -i -e 's/\(define WAKE_WAIT_US\) 10000$/\1 300000/' \
		-e 's/\(define timeout_ns\)  30000000$/\1 900000000/' \
		"$work/tools/testing/selftests/futex/functional/$test.c"
done
# What it leaves behind would stay for good.
sed -i 's/shared_data = shmat(shm_id, NULL, 0);/& shmctl(shm_id, IPC_RMID, NULL);/' \
	"$work/tools/testing/selftests/futex/functional/futex_wait.c"
# A million stops of a traced child are not quickly made: fewer numbers say the same.
sed -i 's/999 | X32_BIT/99 | X32_BIT/' "$work/tools/testing/selftests/x86/syscall_numbering.c"
# There are no system calls of 32 bits, not even to find that out without a signal.
sed -i 's/int \$0x80/nop/' "$work/tools/testing/selftests/x86/ldt_gdt.c"
rm -rf "$dest"
mkdir -p "$dest"
mv "$work/tools" "$work/arch" "$dest"
touch "$dest/.ready"
