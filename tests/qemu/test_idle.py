"""Nothing to do costs nothing: an idle guest sleeps in hlt, however many connections it holds.

Two measures that do not depend on the host's speed: how often the guest is interrupted in a second
of its own time, and in how many of many samples its processors are halted.
"""

import re
import time

import vm
from streams import ask, connections

IDLE = 1000
WAKEUPS_A_SECOND = 25  # lwIP looks at its timers four times a second while connections exist


def wakeups(machine):
    """(interrupts so far but for the console's, seconds since boot)"""
    total = 0
    for line in machine.read_file("/proc/interrupts").splitlines()[1:]:
        if not re.search(r"serial|ttyS|uart|com1", line, re.I):
            counts = re.match(r"\s*\S+:((?:\s+\d+)+)", line)
            total += sum(map(int, counts[1].split())) if counts else 0
    return total, float(machine.read_file("/proc/uptime").split()[0])


def rate(machine, seconds=8):
    """Interrupts in a second of the guest's time, over a stretch in which nobody asks anything."""
    n0, t0 = wakeups(machine)
    time.sleep(seconds)
    n1, t1 = wakeups(machine)
    return (n1 - n0) / (t1 - t0)


def halted_share(machine, samples=60):
    halted = []
    for _ in range(samples):
        halted += machine.halted()
        time.sleep(0.03)
    return sum(halted) / len(halted)


def test_alone(machine):
    time.sleep(2)
    assert rate(machine) < WAKEUPS_A_SECOND * machine.cpus
    assert halted_share(machine) > 0.95


def test_with_1000_idle_connections(machine):
    with connections(machine, IDLE if machine.many else 200) as socks:
        for n, s in enumerate(socks):
            ask(s, b"%d" % n)
        time.sleep(2)
        per_second = rate(machine)
        share = halted_share(machine)
        assert per_second < WAKEUPS_A_SECOND * machine.cpus, f"{per_second:.0f} wake-ups a second"
        assert share > 0.95, f"halted in {share:.0%} of the samples"
        for n, s in enumerate(socks[::50]):
            ask(s, b"awake %d" % n)
