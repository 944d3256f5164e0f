"""What came is gone again: memory after many connections and many processes is what it was."""

import re
import time

import pytest

import vm
from streams import ask

# Caches keep a few free objects for each processor, and pages keep a table now and then.
SLACK_OBJECTS = 64
# The address sanitizer keeps freed objects in quarantine, and shadow.
SLACK_KB = 1024 + (5 * 1024 if vm.SAN else 0)


def memory(machine):
    """(free kB, {cache: objects in use})"""
    free = int(re.search(r"^MemFree: +(\d+) kB", machine.read_file("/proc/meminfo"), re.M)[1])
    caches = {}
    for line in machine.read_file("/proc/slabinfo").splitlines():
        fields = line.split()
        if len(fields) > 2 and fields[1].isdigit():
            caches[fields[0]] = int(fields[1])
    assert caches
    return free, caches


def assert_back(machine, before, timeout=20):
    """Now, or soon: the last connections may still be saying good-bye."""
    deadline = time.monotonic() + vm.limit(timeout)
    while True:
        free, caches = memory(machine)
        grown = {name: (before[1].get(name, 0), n) for name, n in caches.items()
                 if n > before[1].get(name, 0) + SLACK_OBJECTS}
        if not grown and free >= before[0] - SLACK_KB:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"free memory {before[0]} -> {free} kB; objects before and after: {grown}")
        time.sleep(1)


def churn(machine, count, port):
    """Connections one after another. The client closes first, so TIME_WAIT is on its side."""
    for n in range(count):
        with machine.connect(port) as s:
            ask(s, b"%d" % n)


@pytest.mark.slow
def test_10000_connections_one_after_another(machine):
    churn(machine, 200, 7)
    before = memory(machine)
    churn(machine, 10_000 if machine.many else 1_000, 7)
    assert_back(machine, before)


@pytest.mark.slow
def test_a_process_for_each_connection(machine):
    churn(machine, 20, 8)
    before = memory(machine)
    churn(machine, 500, 8)
    assert_back(machine, before)


def test_programs_one_after_another(machine):
    for _ in range(3):
        machine.run("cat /proc/uptime")
    before = memory(machine)
    for _ in range(100):
        assert machine.run("cat /proc/uptime")[0] == 0
    assert_back(machine, before)
