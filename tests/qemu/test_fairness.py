"""Whoever wants everything gets his share: programs that never sleep, and a network that never rests.

What is compared are times of one machine with each other (shares of the CPU, the length of a turn),
and the middle of many samples, so that a slow or busy host changes nothing.
"""

import contextlib
import statistics
import subprocess
import sys
import time

import pytest

import vm
from streams import ask

HOGS = 16     # for each CPU
TURN = 0.006  # seconds: SLICE_NS in kernel/sched/core.c
TICK = 0.01   # of the times in /proc/PID/stat


def uptime(machine):
    return float(machine.read_file("/proc/uptime").split()[0])


def cpu_time(machine, pid):
    """Seconds for which the threads of a process have run."""
    fields = machine.read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


@contextlib.contextmanager
def hogs(machine, threads):
    pid = machine.spawn(f"/tests/busy {threads}", says=r"busy: \d+ threads")
    try:
        yield pid
    finally:
        machine.kill(pid)


@pytest.mark.parametrize("cpus", [1, 4])
def test_hogs_do_not_starve_an_echo_server(cpus):
    """A server that sleeps most of the time goes first when it is woken: it does not stand in line."""
    took = []
    with vm.Machine(cpus=cpus, name=f"test_fairness-hogs-{cpus}cpu") as m, m.connect(7) as s:
        ask(s, b"before")
        with hogs(m, HOGS * cpus) as pid:
            started, ran = uptime(m), cpu_time(m, pid)
            for n in range(100):
                time.sleep(0.005)  # it is asleep again
                at = time.monotonic()
                ask(s, b"number %d" % n)
                took.append(time.monotonic() - at)
            for port in (7, 8):
                with m.connect(port) as new:
                    ask(new, b"and a new one")
            share = (cpu_time(m, pid) - ran) / (uptime(m) - started)
    # In line it would wait for a turn of each hog. (Where the host has fewer CPUs than the
    # guest, it is the host that makes them wait for each other.)
    if cpus == 1:
        assert statistics.median(took) < HOGS * TURN / 2, sorted(took)
    # And nobody starves: the hogs have what the server leaves.
    assert share > 0.5 * cpus, f"the hogs had {share:.0%} of a CPU"


def test_hogs_share_alike(machine):
    """Two processes with as many threads each have as much of the CPU each."""
    with hogs(machine, 2 * machine.cpus) as a, hogs(machine, 2 * machine.cpus) as b:
        before = cpu_time(machine, a), cpu_time(machine, b)
        time.sleep(2)
        had = cpu_time(machine, a) - before[0], cpu_time(machine, b) - before[1]
    assert min(had) > 0 and max(had) / min(had) < 2, had


def test_long_system_calls_let_others_run():
    """The kernel is not preempted: where a call goes through tens of thousands of things it asks."""
    with vm.Machine(cpus=1, name="test_fairness-calls") as m:
        status, text = m.run("/tests/longcalls")
        assert status == 0, text


# ---- packets ----

FLOOD = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
print("on", flush=True)
while True:
    try:
        for _ in range(1000):
            s.send(b"!" * 64)
    except OSError:
        pass  # nobody listens there, and the answers say so
"""


@contextlib.contextmanager
def flood(machine):
    """UDP datagrams from the host, more than the guest can take."""
    command = machine.network.command(sys.executable, "-c", FLOOD, machine.network.guest)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender:
        try:
            assert sender.stdout.readline() == b"on\n"
            yield
        finally:
            sender.kill()


def ksoftirqds(machine):
    """The pids of the threads to which softirqs are left that take too long."""
    pids = sorted(int(word) for word in machine.run("ls /proc")[1].split() if word.isdigit())
    return [pid for pid in pids[:4 * machine.cpus]
            if "(ksoftirqd/" in machine.run(f"cat /proc/{pid}/stat")[1]]


@pytest.mark.tap
@pytest.mark.parametrize("cpus", [1, 2])
def test_packet_flood_does_not_starve_a_shell(cpus):
    """The bottom half has its budget; then it is ksoftirqd's turn, which shares the CPU like anybody."""
    with vm.Machine(cpus=cpus, name=f"test_fairness-flood-{cpus}cpu") as m, hogs(m, cpus) as pid:
        threads = ksoftirqds(m)
        assert len(threads) == cpus
        with flood(m):
            started = uptime(m)
            ran, handled = cpu_time(m, pid), sum(cpu_time(m, t) for t in threads)
            for _ in range(10):
                assert m.run("ls /proc")[0] == 0
            time.sleep(2)
            elapsed = uptime(m) - started
            ran = (cpu_time(m, pid) - ran) / elapsed
            handled = (sum(cpu_time(m, t) for t in threads) - handled) / elapsed
        assert handled > 0.05, f"ksoftirqd had {handled:.0%} of a CPU: that was no flood"
        assert ran > 0.1 * cpus, f"the program had {ran:.0%} of a CPU"
        # And when it is over, the network is as before.
        with m.connect(7) as s:
            ask(s, b"still there?")
