#!/usr/bin/env python3
"""make bench: boots a machine that counts instructions and runs tests/bench/cost.c in it.

Figures are guest instructions, kernel and user together; beside them stands what the design means
to spend, and what Linux 6.1 spends in the same emulator.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qemu"))

import vm  # noqa: E402  (needs the path)

# name: (Linux 6.1, aim)
BUDGETS = {
    "epoll_wait-nothing": (501, 250),
    "epoll_wait-one": (815, 450),
    "write-epoll_wait-read": (2700, 1300),
    "epoll_ctl-mod": (765, 400),
    "epoll_ctl-del-add": (3370, 1700),
    "epoll_wait-delivers-1000": (180_000, 100_000),
    "pipe-epoll-round": (15_000, 7_000),
    "fork-exit-wait": (142_000, 50_000),
}


def budget(name):
    return next((b for prefix, b in BUDGETS.items() if name.startswith(prefix)), ("", ""))


def main():
    what = " ".join(sys.argv[1:])
    with vm.Machine(append="init.run=", net=None, cpus=1, icount=True, name="bench") as m:
        status, text = m.run(f"/bench/cost {what}".strip(), 300)
    print(f"{'instructions each':<28} {'Pollux':>9} {'aim':>9} {'Linux 6.1':>10}")
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 3 or not fields[2].isdigit():
            print(line)
            continue
        linux, aim = budget(fields[0])
        print(f"{fields[0]:<28} {fields[2]:>9} {aim:>9} {linux:>10}")
    return status


if __name__ == "__main__":
    sys.exit(main())
