"""The same program, the same output: tests/abi/ on this Linux and on Pollux.

Each program is one static file that prints TAP without anything that may differ. It must pass here
first; then text and exit status in the guest must be equal.
"""

import difflib
import glob
import os

import pytest

import host
import vm

SOURCES = os.path.join(os.path.dirname(__file__), "..", "abi", "*.c")
NAMES = sorted(os.path.basename(path)[:-2] for path in glob.glob(SOURCES))
PROGRAM_LIMIT = 120

MACHINE = dict(append="init.run=")


def on_host(name):
    return host.run([os.path.join(vm.BUILD, "user", "tests", name)], PROGRAM_LIMIT, cwd="/")


@pytest.mark.parametrize("name", NAMES)
def test_same_as_linux(machine, name):
    status, expected = on_host(name)
    assert status == 0, f"fails on the host:\n{expected}"
    guest_status, text = machine.run(f"/tests/{name}", PROGRAM_LIMIT)
    diff = "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(),
                                          "Linux", "Pollux", lineterm="", n=1))
    assert not diff, diff
    assert guest_status == status
