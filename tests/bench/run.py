#!/usr/bin/env python3
"""make bench: boots a machine that counts instructions and runs tests/bench/cost.c in it.

Figures are guest instructions, kernel and user together; beside them stands what the design means
to spend, and what Linux 6.1 spends in the same emulator. The last part measures memory.
"""

import os
import re
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qemu"))

import netns  # noqa: E402  (needs the path)
import vm  # noqa: E402
from streams import connections  # noqa: E402

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
    "thread-create-join": (90_000, 20_000),
    "tcp-connect-accept-close": (108_000, 50_000),
}


def budget(name):
    return next((b for prefix, b in BUDGETS.items() if name.startswith(prefix)), ("", ""))


# What a connection that says nothing holds, by I/O model: the server, its port, how many connections.
MODELS = [("echo-epoll", 7, 10_000), ("echo-poll", 11, 10_000), ("echo-select", 10, 900),
          ("echo-blocking -m thread", 8, 900), ("echo-blocking -m process", 8, 900),
          ("echo-sigio", 12, 10_000), ("echo-aio", 13, 900)]


def free_memory(m):
    """Bytes, when what was just freed has been given back."""
    text = m.read_file("/proc/meminfo")
    return 1024 * int(re.search(r"^MemFree: +(\d+)", text, re.MULTILINE)[1])


def memory():
    """Needs root, for a network that takes thousands of connections."""
    if not netns.available():
        print("memory of a connection: needs root and /dev/net/tun")
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"\n{'bytes an idle connection holds':<34} {'Pollux':>9}")
    for command, port, count in MODELS:
        with vm.Machine(append="init.run=", cpus=1, mem="512M", name="bench-memory") as m:
            m.spawn(command, says=rf"{command.split()[0]}: port {port}")
            with connections(m, 50, port):
                pass  # caches and tables that the first ones fill
            before = free_memory(m)
            with connections(m, count, port):
                each = (before - free_memory(m)) / count
            print(f"{command:<34} {each:>9.0f}")


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
    if not what or what == "memory":
        memory()
    return status


if __name__ == "__main__":
    sys.exit(main())
