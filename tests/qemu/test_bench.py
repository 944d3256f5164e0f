"""make bench: what Pollux does costs no more instructions than the design means to spend."""

import os
import subprocess
import sys

import pytest

import vm

BENCH = os.path.join(os.path.dirname(__file__), "..", "bench", "run.py")
pytestmark = pytest.mark.skipif(vm.SAN, reason="the checked build spends more, on checks")


@pytest.mark.parametrize("part, figure", [
    ("calls", "tcp-connect-accept-close"),
    pytest.param("echo", "echo-of-1000", marks=pytest.mark.tap),
])
def test_meets_its_aims(part, figure):
    done = subprocess.run([sys.executable, "-B", BENCH, part], capture_output=True, text=True,
                          timeout=vm.limit(300))
    assert done.returncode == 0 and f"\n{figure} " in done.stdout, done.stdout + done.stderr
