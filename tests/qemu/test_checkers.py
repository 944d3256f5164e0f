"""The lock checker, the watchmen, fault injection and the leak check: each reports what it is for.

kernel/debug/provoke_locks.c makes the mistakes, at boot (provoke=NAME) or in a system call (a write to
/proc/sys/kernel/provoke). Only the checked build (SAN=1) has them.
"""

import os
import re
import signal
import time

import pytest

import vm

pytestmark = pytest.mark.skipif(not vm.SAN, reason="needs the checked build, SAN=1")

SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "kernel", "debug", "provoke_locks.c")
PROVOKE = "/tests/poke /proc/sys/kernel/provoke "

# name -> what the panic must say, in this order, some of it before, some after
AT_BOOT = {
    "lock_cycle": [r"lock_c .* is held and lock_a", r"lock_b.* was held when lock_c.* was first taken",
                   r"take_both", r"lock_a.* was held when lock_b.* was first taken", r"take_both",
                   r"panic: lockdep: circular order of locks: lock_c .* and lock_a",
                   r"holds lock_c.*take_both", r"Call trace", r"provoke_init"],
    "mutex_cycle": [r"mutex_a.* was held when mutex_b.* was first taken",
                    r"panic: lockdep: circular order of locks: mutex_b .* and mutex_a",
                    r"holds mutex_b", r"Call trace"],
    "lock_twice": [r"panic: lockdep: lock_a .* taken again by its holder", r"holds lock_a"],
    "lock_of_same_class": [r"panic: lockdep: two locks of one class, &locks\[i\]"],
    "lock_irq_unsafe": [r"lock_a.* is taken in a hard interrupt:", r"in_interrupt|provoke_",
                        r"panic: lockdep: lock_a .* taken with interrupts on"],
    "lock_softirq_unsafe": [r"lock_a.* is taken in a softirq:", r"run_timers|run_softirqs",
                            r"panic: lockdep: lock_a .* taken with softirqs on"],
    "lock_irq_unsafe_below": [r"lock_a.* is taken in a hard interrupt", r"lock_b.* is taken with",
                              r"lock_a.* was held when lock_b.* was first taken",
                              r"panic: lockdep: lock_a .* is held when lock_b .* is taken"],
    "lock_uninitialised": [r"panic: lockdep: a lock was never initialised"],
    "lock_double_unlock": [r"panic: lockdep: lock_a .* released by one who does not hold it"],
    "lock_in_sleep": [r"panic: schedule\(\) with preempt_count 1", r"holds lock_a", r"Call trace"],
    "mutex_with_interrupts_off": [r"panic: lockdep: mutex_a .* taken with interrupts off", r"Call trace"],
    "lock_held_at_exit": [r"panic: lockdep: lock held at the end of a task", r"holds mutex_a"],
    "lock_held_by_softirq": [r"panic: softirq TIMER returned with a lock held", r"holds lock_a"],
}

LATER = {"lock_held_at_return", "hung_task", "soft_lockup", "leaked_object"}


def in_order(text, patterns):
    at = 0
    for words in patterns:
        found = re.compile(words).search(text, at)
        assert found, f"no {words!r} (or not in this place) in\n{text}"
        at = found.end()


@pytest.mark.parametrize("name", AT_BOOT)
def test_report(name):
    m = vm.Machine(append=f"panic=poweroff init.run= provoke={name}", net=None, cpus=1,
                   name="test_checkers")
    m.start(ready=None)
    try:
        m.wait_exit(30)
        in_order(m.console, AT_BOOT[name])
    finally:
        m.close()


def machine_for(append=""):
    return vm.Machine(append=f"init.run= {append}", net=None, name="test_checkers")


def test_lock_held_at_return_to_user_mode():
    with machine_for("panic=poweroff") as m:
        m.type(PROVOKE + "lock_held_at_return\n")
        m.wait_exit(30)
        in_order(m.console, [r"panic: lockdep: lock held at return to user mode", r"holds mutex_a"])


def test_hung_task():
    with machine_for("hung_task=2") as m:
        assert m.run(PROVOKE + "hung_task")[0] == 0
        in_order(m.console, [r"BUG: hung task: \d+ \(poke\)", r"waits for false .*provoke_locks.c",
                             r"Call trace", r"nap", r"provoke_now", r"CPU \d"])


def test_soft_lockup():
    with machine_for("soft_lockup=3") as m:
        assert m.run(PROVOKE + "soft_lockup")[0] == 0
        in_order(m.console, [r"BUG: soft lockup: CPU \d", r"CPU \d", r"Call trace", r"provoke_now"])


def test_a_host_that_stops_the_machine_is_no_lockup():
    with machine_for("soft_lockup=6") as m:
        m.type(PROVOKE + "soft_lockup\n")
        m.expect("provoke: soft_lockup")
        time.sleep(2.5)  # of the 8 seconds for which it holds its CPU: the watchmen have seen it once
        m.process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        m.process.send_signal(signal.SIGCONT)
        m.expect(r"\[init\] exit 0", 30)
        assert "BUG" not in m.console


def test_leaked_object():
    with machine_for() as m:
        assert m.run(PROVOKE + "leaked_object")[0] == 0
        m.type("poweroff\n")
        m.expect(r"leak: cache kmalloc-48: 1 objects", 60)
        m.expect(r"leakcheck: .* 1 have grown", 10)


@pytest.mark.parametrize("programs", [
    ("/stress/epoll_stress -t 100", "/stress/signal_stress -t 100", "/tests/tcp"),
    ("/stress/proc_stress -t 100", "/stress/vm_stress -t 100", "/tests/crash sockets"),
], ids=["epoll", "processes"])
def test_nothing_leaks_from_what_is_cut_short(programs):
    """Power-off in the middle of things: everybody is killed wherever it stands."""
    with machine_for() as m:
        for program in programs:
            m.spawn(program)
        time.sleep(0.5)
        m.leak_check()


def test_nothing_leaks_from_an_idle_machine():
    with machine_for() as m:
        m.run("ls /proc")
        m.leak_check()


def test_sysrq():
    with machine_for("panic=poweroff") as m:
        assert m.run("/tests/poke /proc/sysrq-trigger t")[0] == 0
        in_order(m.console, [r"task 1 \(agent\)", r"Call trace", r"wait"])
        assert m.run("/tests/poke /proc/sysrq-trigger l")[0] == 0
        in_order(m.console, [r"CPU \d, task \d+ \(poke\)", r"Call trace", r"sysrq"])
        assert m.run("/tests/poke /proc/sysrq-trigger x")[0] == 22
        m.type("/tests/poke /proc/sysrq-trigger c\n")
        m.wait_exit(30)
        assert "sysrq: a crash was asked for" in m.console


# ---- fault injection ----

FAILSLAB = "/proc/sys/kernel/failslab"
ABI = os.path.join(os.path.dirname(__file__), "..", "abi")
PROGRAMS = sorted(name[:-2] for name in os.listdir(ABI) if name.endswith(".c"))


def set_failslab(m, text):
    """The program that sets it may be hit by what was set before."""
    for _ in range(50):
        if m.run(f"/tests/poke {FAILSLAB} {text}")[0] == 0:
            return
    pytest.fail(f"failslab cannot be set to {text}\n{m.tail()}")


def run_for(m, command, seconds):
    """Runs it to its end, or kills it: with a fork or a thread missing, many a program waits for ever."""
    pid = m.spawn(command)
    with m.changed:
        m.changed.wait_for(lambda: f"(pid {pid}) exit" in m.console or f"(pid {pid}) kill" in m.console
                           or not m.alive, vm.limit(seconds))
    if f"(pid {pid}) exit" not in m.console and f"(pid {pid}) kill" not in m.console:
        m.expect(r".", 0.1)  # a panic ends it here
        for _ in range(50):
            m.run(f"kill -9 {pid}")
            if f"(pid {pid}) kill" in m.console:
                break


def test_failslab_is_counted():
    with machine_for("failslab=7,40,20") as m:
        for _ in range(50):
            status, text = m.run(f"cat {FAILSLAB}")
            if status == 0 and int(re.search(r"failures (\d+)", text)[1]) > 3:
                break
        else:
            pytest.fail(m.tail())
        set_failslab(m, "0")
        assert m.run("ls /proc")[0] == 0
        m.leak_check()


@pytest.mark.slow
@pytest.mark.parametrize("seed, interval", [(1, 30), (2, 100), (3, 300), (4, 1000)])
def test_every_path_unwinds(seed, interval):
    """The programs fail in all ways they like; the kernel does not panic, hang, or keep anything."""
    with machine_for() as m:
        for n, name in enumerate(PROGRAMS):
            set_failslab(m, f"{seed * 1000 + n},{interval},60")
            run_for(m, f"/tests/{name}", 5)
        set_failslab(m, "0")
        assert m.run("/tests/sweep")[0] == 0
        m.leak_check()


def test_every_mistake_is_expected():
    with open(SOURCE, encoding="utf-8") as f:
        names = set(re.findall(r"^PROVOKE\((\w+)\)", f.read(), re.M))
    assert names == set(AT_BOOT) | LATER
