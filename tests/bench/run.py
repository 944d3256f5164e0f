#!/usr/bin/env python3
"""
make bench: boots machines that count instructions, has them work, and prints what it cost beside what
the design means to spend. With LINUX=1 Debian's Linux does the same, in the same QEMU with the same
programs, and its figures and their ratio to Pollux's stand beside. The exit status is 0 when
Pollux meets its aims.

    run.py [--linux] [PART]

PART is calls, boot, echo, memory, or one of the parts of calls that cost.c knows: epoll, fork, ...
"""

import argparse
import contextlib
import os
import re
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qemu"))

import netns  # noqa: E402  (needs the path)
import vm  # noqa: E402
from streams import ask, connections  # noqa: E402

MEGABYTES = 512

# The most that Pollux may spend, by how the name of a figure begins: the first that fits.
AIMS = {
    "epoll_wait-nothing": 250,
    "epoll_wait-one": 450,
    "write-epoll_wait-read": 1300,
    "epoll_ctl-mod": 400,
    "epoll_ctl-del-add": 1700,
    "epoll_wait-delivers-1000": 100_000,
    "pipe-epoll-round": 7_000,
    "fork-exit-wait": 50_000,
    "thread-create-join": 20_000,
    "tcp-connect-accept-close": 50_000,
    "echo-of-1000": 8_500,
    "echo-of-1": 7_000,
}

# An echo server for each I/O model: its port, how many connections that say nothing.
MODELS = {"echo-epoll": (7, 10_000), "echo-poll": (11, 10_000), "echo-select": (10, 900),
          "echo-blocking -m thread": (8, 900), "echo-blocking -m process": (8, 900),
          "echo-sigio": (12, 10_000), "echo-aio": (13, 900)}


# ---- the machines ----

def machine(append, **options):
    return vm.Machine(append=append, cpus=1, mem=f"{MEGABYTES}M", **options)


def pollux(run="", **options):
    return machine(f"init.run={run}", name="bench-pollux",
                   initrd=os.path.join(vm.BUILD, "initramfs-bench.cpio"), **options)


def linux(run="", **options):
    """The same archive, with the card's module and a script behind it that ends as the same agent."""
    return machine(f"console=ttyS0 quiet panic=-1 rdinit=/linux-init init.run={run}", name="bench-linux",
                   kernel=os.path.join(vm.BUILD, "linux", "vmlinuz"),
                   initrd=os.path.join(vm.BUILD, "initramfs-bench-linux.cpio"), **options)


def free_memory(m):
    """Bytes, when what was just freed has been given back."""
    text = m.read_file("/proc/meminfo")
    return 1024 * int(re.search(r"^MemFree: +(\d+)", text, re.MULTILINE)[1])


def await_echo(m, port=7):
    """
    Returns when the server has answered, without the second after which TCP and ARP would try again:
    each connection is given up soon.
    """
    with m.network.inside(), open(f"/proc/sys/net/ipv4/neigh/{m.network.tap}/retrans_time_ms", "w") as f:
        f.write("20")
    deadline = time.monotonic() + vm.limit(120)
    while True:
        try:
            with contextlib.closing(m.connect(port, timeout=0.1)) as s:
                ask(s, b"x")
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


# ---- what is measured: each takes a kind of machine and returns figures by name ----

def calls(kind, part):
    """Guest instructions, kernel and user together (cost.c)."""
    with kind(net=None, icount="off") as m:
        status, text = m.run(f"/bench/cost {part}".strip(), 300)
    if status:
        raise vm.MachineError(text)
    return {name: int(each) for name, _, each in re.findall(r"^(\S+) +(\d+) +(\d+)$", text, re.MULTILINE)}


def boot(kind, _):
    """From QEMU's start to an answer of echo-epoll: instructions, and in another run the host's time."""
    figures = {}
    for name, icount in (("ms", None), ("instructions", "on")):
        m = kind("echo-epoll", net="tap", icount=icount)
        try:
            m.start(ready=None)
            await_echo(m)
            figures[name] = m.instructions() if icount else round(1000 * (time.monotonic() - m.started))
            m.expect(vm.READY)
            m.prompt()
            used = MEGABYTES * 1024 - free_memory(m) // 1024
        finally:
            m.close()
    return {**figures, "KiB of memory in use then": used}


def echo(kind, _):
    """Guest instructions of one message and its answer, with the frames and the acknowledgements."""
    figures, count = {}, 1000
    with kind("echo-epoll", net="tap", icount="on") as m:
        await_echo(m)
        with contextlib.closing(m.connect(7)) as s:
            for size in (1, 1000):
                for n in range(-50, count):
                    if n == 0:
                        before = m.instructions()
                    ask(s, b"x" * size)
                figures[f"echo-of-{size}"] = (m.instructions() - before) // count
    return figures


def memory(kind, _):
    """Bytes of memory, of the kernel and the server, that an idle connection holds."""
    figures = {}
    for command, (port, count) in MODELS.items():
        with kind(net="tap") as m:
            m.spawn(command, says=rf"{command.split()[0]}: port {port}")
            await_echo(m, port)
            with connections(m, 50, port):
                pass  # caches and tables that the first ones fill
            before = free_memory(m)
            with connections(m, count, port):
                figures[command] = round((before - free_memory(m)) / count)
    return figures


# ---- the tables ----

PARTS = {"calls": (calls, "instructions each"),
         "boot": (boot, "from QEMU's start to the first echo"),
         "echo": (echo, "instructions each, over the wire"),
         "memory": (memory, "bytes an idle connection holds")}
CALLS = ("syscall", "epoll", "ping", "fork", "thread", "tcp", "models")


COMPILER = 1.02  # so much another compiler than the one of the aims may differ


def aim(name):
    return next((most for prefix, most in AIMS.items() if name.startswith(prefix)), None)


def show(title, columns):
    """A table with a column of figures for each kind of machine; how many of Pollux's miss their aim."""
    ours, *others = columns.values()
    heads = [*columns, *(["ratio"] if others else []), "aim"]
    print(f"\n{title:<36}" + "".join(f"{head:>13}" for head in heads), flush=True)
    missed = 0
    for name, figure in ours.items():
        cells = [figure, *(other[name] for other in others)]
        cells += [f"{other[name] / figure:.2f}" for other in others]
        most = aim(name)
        missed += most is not None and figure > most * COMPILER
        print(f"{name:<36}" + "".join(f"{cell:>13}" for cell in [*cells, most or ""]).rstrip())
    return missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--linux", action="store_true")
    parser.add_argument("part", nargs="?", default="", choices=["", *PARTS, *CALLS])
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    kinds = {"Pollux": pollux}
    if args.linux:
        kinds["Linux"] = linux
        vm.SCALE = max(vm.SCALE, 5)  # counting instructions, it takes minutes to boot
    part, which = ("calls", args.part) if args.part in CALLS else (args.part, "")
    missed = 0
    for name, (measure, title) in PARTS.items():
        if part not in ("", name):
            continue
        if name != "calls" and not netns.available():
            print(f"\n{title}: needs root and /dev/net/tun")
            continue
        missed += show(title, {column: measure(kind, which) for column, kind in kinds.items()})
    if missed:
        print(f"\n{missed} figures miss their aim")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
