"""The Linux that the tests run on: the other side of each comparison."""

import contextlib
import os
import signal
import subprocess

import vm


def _as_after_login():
    """As init's children find themselves: whoever started us (nohup, a CI) may ignore signals or be nice."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def run(words, limit, **how):
    """Runs a program on the host: (exit status, or minus the signal; what it said)."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=vm.limit(limit), preexec_fn=_as_after_login,
                          **how)
    return done.returncode, done.stdout
