"""Fixtures: one machine a module, restarted when a test has broken it; the console on failure.

A module that wants another machine than the default one says so:

    MACHINE = dict(append="init.run=", cpus=2)
"""

import os
import resource
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import netns  # noqa: E402  (needs the path)
import vm  # noqa: E402

TEST_LIMIT = 600  # seconds; no test comes near it unless something hangs


class Holder:
    """The machine of a module. get() gives a healthy one: a new one after a panic or a hang."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.machine = None
        self.broken = False
        self.failed_boots = 0

    def get(self):
        if self.failed_boots == 2:
            pytest.fail("the machine did not boot for the tests before, twice", pytrace=False)
        if self.machine and (self.broken or not self.machine.alive):
            self.close()
        if not self.machine:
            machine = vm.Machine(name=self.name, **self.options)
            self.failed_boots += 1
            machine.start()
            self.failed_boots = 0
            self.machine = machine
            self.broken = False
        return self.machine

    def close(self):
        if self.machine:
            self.machine.close()
            self.machine = None


def pytest_configure(config):
    config.addinivalue_line("markers", "tap: needs root, for a tap in a namespace of its own")
    config.addinivalue_line("markers", "slow: takes more than half a minute")
    # Thousands of sockets in this process.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Console files are appended to, because a module may boot more than once: start afresh.
    folder = os.path.join(vm.BUILD, "console")
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("tap") and not netns.available():
            item.add_marker(pytest.mark.skip(reason="needs root and /dev/net/tun"))


@pytest.fixture(scope="module")
def holder(request):
    options = getattr(request.module, "MACHINE", {})
    holder = Holder(request.module.__name__, options)
    yield holder
    try:
        if holder.machine and not holder.broken:
            holder.machine.leak_check()
    finally:
        holder.close()


@pytest.fixture
def machine(request, holder):
    """A machine that has booted and waits at init's prompt."""
    request.node.holder = holder
    return holder.get()


@pytest.fixture(autouse=True)
def time_limit():
    """The last net under everything that waits."""
    def expired(*_):
        raise TimeoutError(f"the test took longer than {vm.limit(TEST_LIMIT):.0f} s")

    old = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, vm.limit(TEST_LIMIT))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    holder = getattr(item, "holder", None)
    if report.failed and holder and holder.machine:
        # After a failure nobody knows what state the guest is in.
        holder.broken = True
        report.sections.append(("guest console", holder.machine.tail(60)))
