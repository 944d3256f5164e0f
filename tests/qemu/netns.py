"""A network of the test's own: a namespace with one tap device that QEMU plugs its e1000 into.

Needs root. Nothing of it is visible outside, so addresses and ports never collide with the host's,
and removing the namespace removes everything.

User networking needs no rights, but its forwarded ports have a listen backlog of 1 and it cannot
carry a ping: load tests want this one.
"""

import contextlib
import ctypes
import itertools
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def _ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise OSError(f"ip {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


def _remove_leftovers():
    """Namespaces of runs that were killed: their names hold the pid that made them."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        parts = name.split("-")
        if len(parts) == 3 and parts[0] == "pollux" and not os.path.exists(f"/proc/{parts[1]}"):
            with contextlib.suppress(OSError):
                _ip("netns", "del", name)


class Network:
    """host is the tap's address, guest is for the machine; both in a /16 with room for clients."""

    host, guest, prefix, netmask = "10.77.0.1", "10.77.0.2", 16, "255.255.0.0"
    tap = "tap0"

    def __init__(self):
        _remove_leftovers()
        self.name = f"pollux-{os.getpid()}-{next(_numbers)}"
        _ip("netns", "add", self.name)
        try:
            self._in("tuntap", "add", self.tap, "mode", "tap")
            self._in("addr", "add", f"{self.host}/{self.prefix}", "dev", self.tap)
            self._in("link", "set", self.tap, "txqueuelen", "4096", "up")
            self._in("link", "set", "lo", "up")
            self._fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
            with self.inside(), open("/proc/sys/net/ipv4/ip_local_port_range", "w") as f:
                f.write("10000 65000")
        except OSError:
            _ip("netns", "del", self.name)
            raise

    def _in(self, *args):
        return _ip("-n", self.name, *args)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes in the block belong to the namespace, for good."""
        _setns(self._fd)
        try:
            yield
        finally:
            _setns(self._home)

    def command(self, *args):
        """The same command line, to be run inside."""
        return ["ip", "netns", "exec", self.name, *args]

    def close(self):
        os.close(self._fd)
        os.close(self._home)
        _ip("netns", "del", self.name)


def available():
    """May we make one? Tried once."""
    if not hasattr(available, "answer"):
        try:
            Network().close()
            available.answer = True
        except (OSError, subprocess.SubprocessError):
            available.answer = False
    return available.answer
