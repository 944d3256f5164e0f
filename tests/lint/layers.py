#!/usr/bin/env python3
"""The arrows between the rooms, as #include lines.

    user -> (ABI) -> fs, net -> kernel <- drivers, boot

An include line names the room it asks ("fs/file.h"), so the rules are a table of who may ask whom.
"""

import re
import subprocess
import sys

# room of the file -> rooms it may include
ALLOWED = {
    "boot": {"boot", "kernel"},
    "kernel": {"kernel"},
    "drivers": {"drivers", "kernel"},
    "net": {"net", "fs", "kernel"},
    "fs": {"fs", "kernel"},
    "tests/kernel": {"tests/kernel", "kernel", "fs", "net", "drivers"},
    # Programs: the C library only.
    "user": set(),
    "tests/abi": {"tests/abi"},
    "tests/guest": {"tests/abi"},
    "tests/dynamic": {"tests/dynamic", "tests/abi"},
    "tests/bench": set(),
}

# Single files that stand on a border, and what they may ask in addition.
ALSO = {
    "drivers/tty.h": {"fs"},     # a terminal is a file
    "drivers/tty_job.c": {"fs"},  # /dev/tty
    "drivers/tty_serial.c": {"fs"},
    "drivers/pty.c": {"fs"},
    "drivers/e1000.c": {"net"},  # a net device
    "drivers/e1000.h": {"net"},
}

# lwIP's headers: its port, and what is built on it.
LWIP = re.compile(r"^(net/lwip/.*|net/(netdev|devinet|inet\w*|tcp\w*|dgram\w*|udp|raw|ping)\.[ch]"
                  r"|drivers/e1000\.c|tests/kernel/net_test\.c)$")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
# What the compiler itself provides, without a library.
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h", "stdalign.h"}


def room_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "tests" else parts[0]


def complaints(path, lines):
    room = room_of(path)
    allowed = ALLOWED.get(room)
    if allowed is None:
        return
    allowed = allowed | ALSO.get(path, set())
    kernel_side = room in ("boot", "kernel", "drivers", "net", "fs", "tests/kernel")
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if target.startswith(("lwip/", "netif/", "arch/")):
            if not LWIP.match(path):
                yield number, f"<{target}>: lwIP's headers are for its port and its users only"
        elif quote == "<":
            if kernel_side and target not in FREESTANDING and not path.startswith("net/lwip/"):
                yield number, f"<{target}>: the kernel has no C library"
        elif "/" not in target:
            if room in ("tests/abi", "tests/guest", "tests/dynamic", "user", "tests/bench"):
                continue
            if not path.startswith("net/lwip/"):
                yield number, f'"{target}": name the room, from the root of the tree'
        elif room_of(target) not in allowed:
            yield number, f'"{target}": {room} does not ask {room_of(target)}'


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
                           capture_output=True, text=True, check=True).stdout.split()
    bad = 0
    for path in sorted(set(files)):
        try:
            with open(path, encoding="utf-8") as f:
                lines = f.readlines()
        except FileNotFoundError:
            continue  # removed, but not yet committed so
        for number, text in complaints(path, lines):
            print(f"{path}:{number}: {text}")
            bad += 1
    if bad:
        print(f"layers: {bad} arrows point the wrong way")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
