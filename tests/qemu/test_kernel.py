"""The kernel's own unit tests: one boot with ktest=all runs them, KTAP on the console tells."""

import functools
import glob
import os
import re

import pytest

import vm

SOURCES = os.path.join(os.path.dirname(__file__), "..", "kernel", "*.c")
NAMES = sorted(name for path in glob.glob(SOURCES)
               for name in re.findall(r"^KTEST\((\w+)\)", open(path).read(), re.M))
RESULT = re.compile(r"^(?:\[ *\d+\.\d+\] )?(not )?ok \d+ (?:- )?(\w+)(.*)$", re.M)


@functools.lru_cache(maxsize=1)
def results():
    """{name: "" or what the kernel said of the failure}, and the whole console."""
    m = vm.Machine(append="ktest=all", net=None, name="test_kernel")
    m.start(ready=None)
    try:
        try:
            m.wait_exit(240)
        except vm.MachineError:
            pass  # the test that hangs has no result; those before it have
        text = m.console
        tail = m.tail(60)
    finally:
        m.close()
    verdicts, last = {}, 0
    for match in RESULT.finditer(text):
        verdicts[match[2]] = text[last:match.end()] if match[1] else ""
        last = match.end()
    return verdicts, tail


@pytest.mark.parametrize("name", NAMES)
def test_in_kernel(name):
    verdicts, tail = results()
    assert name in verdicts, f"no result: did a test before it hang or panic?\n{tail}"
    assert not verdicts[name], verdicts[name]


def test_nothing_else_failed():
    verdicts, tail = results()
    assert set(verdicts) >= set(NAMES), tail
    assert not [name for name, failure in verdicts.items() if failure]
