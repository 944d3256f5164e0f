#!/usr/bin/env python3
"""The house rules that a formatter cannot see: size, head comments, words, folders.

    style.py            checks every file git knows or would know
"""

import os
import re
import subprocess
import sys

MAX_LINES = 700        # of the kernel and the programs
MAX_TEST_LINES = 1000  # a test program is a list
MAX_COLUMNS = 110  # the formatter holds code at 100; a comment may run over by a word
TAB = 8
CODE = (".c", ".h", ".asm", ".inc")
SCRIPTS = (".py", ".sh", ".mk", ".awk", ".ld")

# Spelt apart, so that this file passes its own test.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
# A host of the network in a file is a thing that is fetched from somewhere: only the Makefile's
# package manager knows hosts. Numbers of test networks and loopback are no hosts.
HOST = re.compile(r"\b(?:https?|ftp|git|ssh)://|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:org|com|net|io|edu)\b",
                  re.I)
BARRIER = re.compile(r"\bsmp_(?:mb|rmb|wmb|store_release|load_acquire)\(")
BARRIER_LINES = 5  # above it, in which its comment must end
NOT_A_HOST = re.compile(r"\b(?:test|socket|kernel|sys|proc|struct|sk|self|m|machine)\.net\b")


def width(line):
    return len(line.expandtabs(TAB))


def check_text(path, text):
    lines = text.split("\n")
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    if text.endswith("\n\n"):
        yield len(lines), "empty lines at the end"
    is_code = path.endswith(CODE)
    most = MAX_TEST_LINES if path.startswith("tests/") else MAX_LINES
    if is_code and len(lines) - 1 > most:
        yield 1, f"{len(lines) - 1} lines; split what is more than {most}"
    for number, line in enumerate(lines, 1):
        if line.rstrip() != line:
            yield number, "space at the end of the line"
        if (is_code or path.endswith(SCRIPTS)) and width(line) > MAX_COLUMNS:
            yield number, f"{width(line)} columns"
        if path.endswith((".c", ".h")) and re.match(r" +\S", line) and not re.match(r" +\*", line):
            yield number, "indented with spaces"
        if UNFINISHED.search(line):
            yield number, "unfinished work belongs in the README's list of limits"
        if HOST.search(NOT_A_HOST.sub("", line)):
            yield number, "the name of a network host"


def check_barriers(path, text):
    """A barrier says what it orders, or what it pairs with: in a comment on its line or just above."""
    if not path.endswith(".c") or path.startswith("tests/"):
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        near = lines[max(0, number - 1 - BARRIER_LINES):number]
        if not BARRIER.search(line) or line.lstrip().startswith("*"):
            continue
        if not any(mark in n for n in near for mark in ("/*", "*/")):
            yield number, "a barrier without a word on what it pairs with"


def check_head(path, text):
    """A file begins with what it is about."""
    start = {".c": r"/\*", ".h": r"/\*", ".asm": r";", ".inc": r";", ".mk": "#", ".sh": "#!",
             ".py": r'(#!.*\n)?"""'}
    for ending, opening in start.items():
        if path.endswith(ending) and text.strip() and not re.match(opening, text):
            yield 1, "begins without a comment that says what it is about"


def check_folders(files):
    """Each room, and each room within the kernel, has its page."""
    have = set(files)
    rooms = {os.path.dirname(f) for f in files if f.endswith(CODE)}
    rooms |= {r.split("/")[0] for r in rooms}
    for room in sorted(r for r in rooms if r and not r.startswith("tests/")):
        if room in ("user/tools",) or room.startswith("net/lwip/"):
            continue
        if f"{room}/README.md" not in have:
            yield room, "has no README.md"


def main():
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True).stdout.split("\n")
    files = sorted(f for f in set(listing) if f and os.path.exists(f))
    found = []
    for path in files:
        if path.endswith(".patch") or path == "LICENSE":
            continue
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except UnicodeDecodeError:
            found.append(f"{path}: not a text file")
            continue
        for number, what in [*check_text(path, text), *check_head(path, text),
                             *check_barriers(path, text)]:
            found.append(f"{path}:{number}: {what}")
    found += [f"{room}: {what}" for room, what in check_folders(files)]
    for line in found:
        print(line)
    if found:
        print(f"style: {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
