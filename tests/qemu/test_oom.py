"""Memory runs out: one process is chosen, named and killed, and the rest lives.

tests/guest/hog.c takes the memory, in each way from two processes at once; a neighbour's echo server
is asked all the while.
"""

import re

import pytest

from streams import ask, asked_all_the_while
from test_leaks import assert_back, memory

MACHINE = dict(mem="160M")

KILLED, FINE = "was killed by signal 9", "ended with status 0"
# Who is killed: the first, the second.
WAYS = {
    "alone": (None, KILLED),
    "asleep": (KILLED, FINE),
    "stopped": (KILLED, FINE),
    "shared": (KILLED, FINE),
    "twins": (KILLED, FINE),
    "cheap": (KILLED, FINE),
    "dear": ("was killed by signal 15", KILLED),
    "locked": (KILLED, FINE),
}
NAMED = re.compile(r"Out of memory: Killed process (\d+) \((\w+)\) total-vm:\d+kB, rss:(\d+)kB")


@pytest.mark.parametrize("way", WAYS)
def test_the_right_one_is_killed(machine, way):
    before = memory(machine)
    at = len(machine.console)
    with machine.connect(7) as neighbour, asked_all_the_while(neighbour):
        status, text = machine.run(f"/tests/hog {way}", 120)
    first, second = WAYS[way]
    expected = ([f"the first {first}"] if first else []) + [f"the second {second}"]
    if way == "twins":
        expected.append(f"the twin {KILLED}")
    assert status == 0 and text.split("\n")[:-1] == expected, text
    named = NAMED.findall(machine.console[at:])
    assert len(named) == 1 and named[0][1] == "hog", named
    assert int(named[0][2]) > 10_000
    with machine.connect(8) as new:
        ask(new, b"a new process, please")
    assert_back(machine, before)


def test_scores(machine):
    assert machine.read_file("/proc/1/oom_score_adj") == "0\n"
    assert 0 < int(machine.read_file("/proc/self/oom_score")) < 1000
