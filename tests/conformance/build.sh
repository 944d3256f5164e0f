#!/bin/sh
# Builds the programs of programs.txt with musl: build.sh SOURCES DEST
#
# SOURCES is what fetch.sh has made; DEST gets a static program for each line. musl-gcc knows no kernel
# headers: those of the host come behind its own. Some programs redefine names that the C library
# has; warnings say nothing new here.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
dest=$(cd "$2" && pwd)
cd "$1/tools/testing/selftests"

flags="-static -O2 -g -w -std=gnu11 -D_GNU_SOURCE -pthread -I."
flags="$flags -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu"

while read -r name words; do
	case $name in '' | '#'*) continue ;; esac
	# shellcheck disable=SC2086
	${MUSL_CC:-musl-gcc} $flags $words -o "$dest/$name"
done <"$here/programs.txt"
