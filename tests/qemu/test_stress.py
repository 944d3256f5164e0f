"""Many things at once, for a while: the programs of tests/stress in the guest, and a rough network.

Each program prints its seed, and makes the same choices again with the same one. How long and how
many seeds: a few seconds in `make test`; STRESS=60 in the environment gives each run a minute and
tries 20 seeds.
"""

import contextlib
import os
import random
import re
import signal
import socket
import threading
import time

import pytest

import vm
from streams import ask, echo, pattern, receive, reset
from test_leaks import assert_back, memory

LONG = int(os.environ.get("STRESS", "0"))
SECONDS = LONG or 2
SEEDS = range(1, 21) if LONG else (1,)
PROGRAMS = sorted(name[:-2] for name in os.listdir(
    os.path.join(os.path.dirname(__file__), "..", "stress")) if name.endswith(".c"))


@pytest.fixture(scope="module", params=[1, 2, 4], ids=lambda n: f"{n}cpu")
def stressed(request):
    """A machine a number of processors; a new one after a failure."""
    state = {}

    def get():
        m = state.get("machine")
        if m is None or not m.alive or state.get("broken"):
            if m:
                m.close()
            state["machine"] = m = vm.Machine(append="init.run=", cpus=request.param, net=None,
                                              name=f"test_stress-{request.param}cpu").start()
            # What a first run leaves for good (page tables, full caches) is no leak of the second.
            m.run(f"/stress/{PROGRAMS[0]} -r 1", 120)
        state["broken"] = True
        return m

    get.state = state
    yield get
    if state.get("machine"):
        state["machine"].close()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_program(stressed, program, seed):
    machine = stressed()
    machine.run(f"/stress/{program} -s {seed} -r 1", 120)
    before = memory(machine)
    status, text = machine.run(f"/stress/{program} -s {seed} -t {SECONDS} -w {vm.limit(30):.0f}",
                               SECONDS + 150)
    assert status == 0 and re.search(rf"^{program}: ok", text, re.M), text
    assert_back(machine, before)
    stressed.state["broken"] = False


# ---- the network ----

class Rough:
    """Threads that go on until stop(); the first that fails tells why."""

    def __init__(self, seed):
        self.seed, self.over, self.failed, self.threads = seed, threading.Event(), [], []
        self.count = {}

    def start(self, job, *args):
        rng = random.Random(f"{self.seed}/{len(self.threads)}")

        def run():
            try:
                while not self.over.is_set():
                    job(rng, *args)
                    self.count[job.__name__] = self.count.get(job.__name__, 0) + 1
            except Exception as e:
                self.failed.append(f"{job.__name__}: {e!r}")
                self.over.set()

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join(vm.limit(120))
        assert not any(t.is_alive() for t in self.threads), "a client hangs"
        assert not self.failed, self.failed


def verify(rng, machine, port):
    """A connection that expects everything to be as it should."""
    with machine.connect(port, timeout=60) as s:
        for n in range(rng.randrange(1, 10)):
            echo(s, pattern(rng.choice([1, 100, 5_000, 200_000]), f"{rng.random()}"), timeout=90)
        if rng.random() < 0.5:
            s.shutdown(socket.SHUT_WR)
            assert receive(s, 1) == b""


def disturb(rng, machine, port):
    """One that does not behave: resets, half-closes, vanishes, does not read."""
    with contextlib.suppress(OSError):
        s = machine.connect(port, timeout=60, rcvbuf=rng.choice([None, 4096]))
        with s:
            s.settimeout(vm.limit(0.2))
            way = rng.randrange(5)
            if way == 0:
                reset(s)
                return
            with contextlib.suppress(TimeoutError):
                for _ in range(rng.randrange(1, 20)):
                    s.sendall(b"?" * rng.choice([1, 1000, 50_000]))
            if way == 1:
                reset(s)
            elif way == 2:
                s.shutdown(socket.SHUT_WR)
                s.recv(1000)
            elif way == 3:
                s.shutdown(socket.SHUT_RD)


@pytest.fixture(scope="module", params=[1, 4], ids=lambda n: f"{n}cpu")
def networked(request):
    with vm.Machine(cpus=request.param, name=f"test_stress-net-{request.param}cpu") as m:
        yield m


@pytest.mark.tap
@pytest.mark.parametrize("seed", SEEDS)
def test_rough_clients(networked, seed):
    """Some verify their data on both servers while others misbehave and the cable comes and goes."""
    machine = networked
    rng = random.Random(seed)
    for port in (7, 8):
        verify(rng, machine, port)
        disturb(rng, machine, port)
    before = memory(machine)
    rough = Rough(seed)
    for port in (7, 8):
        rough.start(verify, machine, port)
        for _ in range(2):
            rough.start(disturb, machine, port)
    end = time.monotonic() + max(SECONDS, 6)
    while time.monotonic() < end and not rough.over.is_set():
        time.sleep(rng.uniform(1, 2))
        machine.link(False)
        time.sleep(rng.uniform(0.05, 0.3))
        machine.link(True)
    rough.stop()
    assert rough.count.get("verify") and rough.count.get("disturb", 0) > 3, rough.count
    assert_back(machine, before, 60)


@pytest.mark.tap
@pytest.mark.parametrize("seed", SEEDS)
def test_server_killed_again_and_again(networked, seed):
    """Of one server only: the connections of the other do not notice."""
    machine = networked
    rng = random.Random(seed)
    rough = Rough(seed)
    pid = machine.pid_of("echo-epoll")
    for _ in range(2):
        rough.start(verify, machine, 8)
        rough.start(disturb, machine, 7)
    end = time.monotonic() + max(SECONDS, 4)
    while time.monotonic() < end and not rough.over.is_set():
        time.sleep(rng.uniform(0.1, 0.8))
        machine.kill(pid)
        pid = machine.spawn("echo-epoll 7", says=r"echo-epoll: port 7")
    rough.stop()
    assert rough.count.get("verify"), rough.count
    with machine.connect(7) as s:
        ask(s, b"still there?")


# ---- booting ----


def test_clock_after_a_boot_on_a_busy_host():
    """The processor is taken away again and again while the guest measures how fast its clocks are."""
    m = vm.Machine(append="init.run=", net=None, cpus=1, name="test_stress-clock")
    with m.start(ready=None):
        deadline = time.monotonic() + vm.limit(60)
        while "[init] ready" not in m.console:
            assert time.monotonic() < deadline and m.alive, m.tail()
            m.process.send_signal(signal.SIGSTOP)
            time.sleep(0.08)
            m.process.send_signal(signal.SIGCONT)
            time.sleep(0.004)
        m.expect(vm.READY)
        m.prompt()
        guest, host = float(m.read_file("/proc/uptime").split()[0]), time.monotonic()
        time.sleep(2)
        guest = float(m.read_file("/proc/uptime").split()[0]) - guest
        host = time.monotonic() - host
        assert 0.9 < guest / host < 1.1, f"{guest:.2f} s of the guest took {host:.2f} s"

BOOTS = 50 if LONG else 10


def test_boots_in_a_row():
    """With four processors: each comes up, answers and powers off."""
    for n in range(BOOTS):
        m = vm.Machine(append="init.run=", net=None, cpus=4, name="test_stress-boots")
        with m:
            m.type("exit\n")
            m.wait_exit(30)
            assert m.process.returncode == 0, f"boot {n}\n{m.tail()}"
