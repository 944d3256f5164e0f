#!/bin/sh
# Puts the patched lwIP source into a folder.
#
#	fetch.sh DEST DOWNLOADS [COPY]
#
# DEST       where the source tree goes (DEST/src/core/...); replaced as a whole, at the end
# DOWNLOADS  keeps the archive, so that a change to a patch needs no network
# COPY       an unpacked lwIP 2.1.3 to use instead of Debian's
#
# The archive is Debian's source package "lwip". It is asked for through apt, from the mirrors that
# this machine already uses: a copy of its package sources with the type "deb-src" and folders of
# our own make that possible without root and without touching the system's own lists.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dest=$1
downloads=$2
copy=${3:-}

version=2.1.3+dfsg1-2
archive=lwip_2.1.3+dfsg1.orig.tar.xz
sha256=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24

mkdir -p "$downloads" "$(dirname "$dest")"
downloads=$(cd "$downloads" && pwd)

# Two makes in one tree take turns.
exec 9>"$downloads/lock"
flock 9

verified() {
	echo "$sha256  $downloads/$archive" | sha256sum --check --status 2>/dev/null
}

# Debian's package sources, one-line and deb822, as deb-src only.
source_lists() {
	mkdir -p "$downloads/parts"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		sed -n 's/^deb[[:space:]]/deb-src /p' "$f" |
			grep -i debian >"$downloads/parts/$(basename "$f" .list).list" || true
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		grep -qi debian "$f" || continue
		sed 's/^Types:.*/Types: deb-src/' "$f" >"$downloads/parts/$(basename "$f")"
	done
}

download() {
	source_lists
	mkdir -p "$downloads/lists/partial" "$downloads/cache/archives/partial"
	set -- -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$downloads/parts" \
		-o "Dir::State::lists=$downloads/lists" -o "Dir::Cache=$downloads/cache" \
		-o APT::Get::List-Cleanup=0 -o APT::Sandbox::User="$(id -un)"
	apt-get "$@" update
	(cd "$downloads" && apt-get "$@" source --download-only "lwip=$version")
	rm -rf "$downloads/lists" "$downloads/cache" "$downloads/parts"
}

new=$dest.new
rm -rf "$new"
mkdir -p "$new"
if [ -n "$copy" ]; then
	cp -r "$copy/." "$new"
else
	verified || download
	verified || {
		echo "fetch.sh: $downloads/$archive has the wrong checksum" >&2
		exit 1
	}
	# -m: fresh times, so that make rebuilds what an older tree had built
	tar -xJmf "$downloads/$archive" -C "$new" --strip-components=1
fi

# Debian's archive has carriage returns in some files; the patches do not.
find "$new/src" -name '*.[ch]' -exec sed -i 's/\r$//' {} +

while read -r p; do
	case $p in '' | '#'*) continue ;; esac
	patch -d "$new" -p1 --batch --silent --no-backup-if-mismatch <"$here/patches/$p" || {
		echo "fetch.sh: $p does not apply" >&2
		exit 1
	}
done <"$here/patches/series"

rm -rf "$dest"
mv "$new" "$dest"
