"""Programs that mean harm: each gets its signal or its error, and the neighbours go on.

The programs are tests/guest/crash.c, segments.c and tracee.c. tests/abi/ checks errors one by one against
Linux; here the kernel's survival counts, and that the echo servers go on answering.
"""


import pytest

from streams import ask, asked_all_the_while
from test_leaks import assert_back, memory

SIGILL, SIGTRAP, SIGFPE, SIGKILL, SIGSEGV = -4, -5, -8, -9, -11

ENDS = {
    "jump-kernel": SIGSEGV,
    "jump-null": SIGSEGV,
    "jump-noncanonical": SIGSEGV,
    "jump-stack": SIGSEGV,
    "read-kernel": SIGSEGV,
    "write-kernel": SIGSEGV,
    "write-text": SIGSEGV,
    "stack-overflow": SIGSEGV,
    "divide": SIGFPE,
    "invalid-opcode": SIGILL,
    "breakpoint": SIGTRAP,
    "software-interrupt": SIGSEGV,
    "privileged": SIGSEGV,
    "port-io": SIGSEGV,
    "bad-segment": SIGSEGV,
    "single-step": SIGTRAP,
    "step-into-syscall": SIGTRAP,
    "flags-syscall": 0,
    "null-stack-syscall": 0,
    "sysret-noncanonical": 0,
    "sigreturn-kernel": SIGSEGV,
    "sigreturn-noncanonical": SIGSEGV,
    "sigreturn-fpu": SIGSEGV,
    "sigreturn-uninvited": SIGSEGV,
    "handler-without-stack": SIGSEGV,
    "syscall-numbers": 0,
    "syscall-pointers": 0,
    "random-calls": 0,
    "descriptors": 0,
    "epolls": 0,
    "pipes": 0,
    "sockets": 0,
    "processes": 0,
    "mappings": 0,
    "memory": SIGKILL,
    "full-pipes": 0,
    "watches": 0,
}
EXHAUSTING = ["descriptors", "epolls", "pipes", "sockets", "processes", "mappings", "memory", "full-pipes",
              "watches"]


def test_every_way_is_tried(machine):
    assert set(machine.run("/tests/crash")[1].split()) == set(ENDS)


@pytest.mark.parametrize("way", ENDS)
def test_survives(machine, way):
    with machine.connect(7) as neighbour:
        ask(neighbour, b"before")
        status, text = machine.run(f"/tests/crash {way}", 120)
        assert status == ENDS[way], text
        ask(neighbour, b"after")
        assert machine.run("/tests/sweep")[0] == 0  # segments of shared memory outlive their maker
    with machine.connect(8) as new:
        ask(new, b"a new process, please")


@pytest.mark.parametrize("way", EXHAUSTING)
def test_neighbour_is_served_meanwhile(machine, way):
    """And what was taken is there again afterwards."""
    machine.run(f"/tests/crash {way}", 120)  # caches keep some of what they had once
    before = memory(machine)
    with machine.connect(7) as neighbour, asked_all_the_while(neighbour):
        status, text = machine.run(f"/tests/crash {way}", 120)
    assert status == ENDS[way], text
    assert_back(machine, before)


def test_segments_at_random(machine):
    """Selectors, descriptors and frames: what a program does to itself, no neighbour notices."""
    with machine.connect(7) as neighbour, asked_all_the_while(neighbour):
        status, text = machine.run("/tests/segments 1 200", 60)
    assert status == 0, text


def test_registers_at_random(machine):
    """What a debugger gives the program that it traces; the kernel lives."""
    status, text = machine.run("/tests/tracee 60", 60)
    assert status == 0 and "the kernel lives" in text, text
