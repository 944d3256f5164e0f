"""Programs as Debian ships them, dynamic, with their libraries (make run APPS=...). Servers over the
network: redis, with a snapshot by fork, and memcached, with its threads around an epoll each. And two that
trace others: strace and gdbserver."""

import contextlib
import os
import re
import subprocess
import threading
import time

import pytest

import vm
from streams import pattern

PACKAGES = ["redis-server", "redis-tools", "memcached", "strace", "gdbserver"]
USER = os.path.join(os.path.dirname(__file__), "..", "..", "user")
ROOT = os.path.join(vm.BUILD, "user", "test-apps")
ARCHIVE = os.path.join(vm.BUILD, "initramfs-apps.cpio")
DOWNLOADS = os.path.join(vm.BUILD.removesuffix("/san"), "download")

MACHINE = dict(append="init.run=", mem="512M", forward=(6379, 11211, 2345), initrd=ARCHIVE)


@pytest.fixture(scope="module", autouse=True)
def archive():
    """The root file system of the tests, and the packages behind it."""
    if not os.path.isdir(ROOT):
        subprocess.run([os.path.join(USER, "debs.sh"), ROOT, DOWNLOADS, *PACKAGES], check=True)
    part = ARCHIVE + ".part"
    subprocess.run([os.path.join(USER, "pack.sh"), os.devnull, part, ROOT], check=True)
    with open(ARCHIVE, "wb") as out:
        for name in (os.path.join(vm.BUILD, "initramfs-tests.cpio"), part):
            with open(name, "rb") as f:
                out.write(f.read())
    os.unlink(part)


def test_library_that_no_program_names(machine):
    """glibc loads it when a thread is cancelled; without it the program aborts."""
    assert machine.run("ls /lib/x86_64-linux-gnu/libgcc_s.so.1")[0] == 0


def redis_server(machine):
    return machine.spawn("/usr/bin/redis-server --bind 0.0.0.0 --protected-mode no --dir /tmp",
                         says="Ready to accept connections")


class Redis:
    """A client that knows as much of the protocol as the tests need."""

    def __init__(self, machine):
        self.sock = machine.connect(6379)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        parts = [b"*%d\r\n" % len(words)] + [b"$%d\r\n%b\r\n" % (len(w), w) for w in words]
        self.sock.sendall(b"".join(parts))

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        assert kind in (b"+", b":"), line
        return int(rest) if kind == b":" else rest

    def __call__(self, *words):
        self.send(*words)
        return self.answer()


def value(n):
    return pattern(n * 37 % 1000, f"value {n}")


def test_redis_keeps_what_it_is_given(machine):
    """Pipelined writes, a large value, a snapshot by a forked child amid more writes, a restart."""
    keys = 2000
    pid = redis_server(machine)
    with contextlib.closing(Redis(machine)) as r:
        for n in range(keys):
            r.send("SET", f"key:{n}", value(n))
        assert all(r.answer() == b"OK" for _ in range(keys))
        large = pattern(4 << 20, "large")
        assert r("SET", "large", large) == b"OK" and r("GET", "large") == large
        assert [r("INCR", "counter") for _ in range(5)] == [1, 2, 3, 4, 5]
        assert r("RPUSH", "list", *range(100)) == 100
        assert r("BGSAVE") == b"Background saving started"
        for n in range(keys):  # the child's picture does not see these
            assert r("SET", f"key:{n}", "overwritten") == b"OK"
        deadline = time.monotonic() + vm.limit(30)
        while b"rdb_bgsave_in_progress:1" in r("INFO", "persistence"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert b"rdb_last_bgsave_status:ok" in r("INFO", "persistence")
    machine.kill(pid)
    pid = redis_server(machine)
    with contextlib.closing(Redis(machine)) as r:
        assert r("DBSIZE") == keys + 3
        for n in range(0, keys, 7):
            r.send("GET", f"key:{n}")
        assert all(r.answer() == value(n) for n in range(0, keys, 7))
        assert r("GET", "large") == large and r("GET", "counter") == b"5"
        assert r("LRANGE", "list", 97, -1) == [b"97", b"98", b"99"]
    machine.kill(pid)
    machine.run("rm /tmp/dump.rdb")


def on_host(machine, port, *words):
    """Runs a program of the packages here, with their own libraries, against a port of the guest."""
    where = (machine.network.guest, port) if machine.network else ("127.0.0.1", machine.ports[port])
    command = [os.path.join(ROOT, "lib64", "ld-linux-x86-64.so.2"), "--library-path",
               ":".join(os.path.join(ROOT, d, "x86_64-linux-gnu") for d in ("lib", "usr/lib")),
               os.path.join(ROOT, "usr", "bin", words[0]), "-h", where[0], "-p", str(where[1]),
               *words[1:]]
    if machine.network:
        command = machine.network.command(*command)
    return subprocess.run(command, capture_output=True, text=True, timeout=vm.limit(120))


def test_redis_benchmark(machine):
    pid = redis_server(machine)
    clients = "20" if machine.many else "3"
    done = on_host(machine, 6379, "redis-benchmark", "-q", "-n", "1000", "-c", clients, "-d", "100",
                   "-P", "4", "-t", "ping,set,get,incr,lpush,lrange_100,mset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("requests per second") >= 8, done.stdout
    machine.kill(pid)


def memcached_client(machine, who, failures):
    """Stores, fetches and counts under its own names, and notes what is wrong."""
    with contextlib.ExitStack() as stack:
        s = stack.enter_context(machine.connect(11211))
        f = stack.enter_context(s.makefile("rb"))
        for n in range(100):
            data = value(who * 100 + n)
            s.sendall(b"set %d:%d 7 0 %d\r\n%b\r\n" % (who, n, len(data), data))
            stored = f.readline()
            s.sendall(b"get %d:%d\r\n" % (who, n))
            head, body, end = f.readline(), f.read(len(data) + 2)[:-2], f.readline()
            wanted = b"VALUE %d:%d 7 %d\r\n" % (who, n, len(data))
            if (stored, head, body, end) != (b"STORED\r\n", wanted, data, b"END\r\n"):
                failures.append((who, n, stored, head, end))
        s.sendall(b"set n%d 0 0 2\r\n40\r\nincr n%d 2\r\ndelete 0:999\r\n" % (who, who))
        if [f.readline() for _ in range(3)] != [b"STORED\r\n", b"42\r\n", b"NOT_FOUND\r\n"]:
            failures.append((who, "count"))


def test_memcached(machine):
    pid = machine.spawn("/usr/bin/memcached -u root -l 0.0.0.0 -m 32 -t 3")
    machine.run("sh -c 'until netstat -tln | grep -q :11211; do sleep 0.1; done'")
    failures, clients = [], range(12 if machine.many else 4)
    threads = [threading.Thread(target=memcached_client, args=(machine, n, failures))
               for n in clients]
    for t in threads:
        t.start()
        time.sleep(0 if machine.many else 0.05)
    for t in threads:
        t.join(vm.limit(60))
    assert not failures and not any(t.is_alive() for t in threads), failures
    with machine.connect(11211) as s:
        s.sendall(b"stats\r\nquit\r\n")
        stats = s.makefile("rb").read()
    assert b"STAT cmd_set %d\r\n" % (101 * len(clients)) in stats, stats
    machine.kill(pid)


def test_strace(machine):
    """It follows threads and children, and the program does not notice."""
    _, alone = machine.run("/tests/clone")
    status, text = machine.run("taskset 1 /usr/bin/strace -f -o /tmp/trace /tests/clone", 100)
    assert status == 0 and text == alone, text
    _, log = machine.run("cat /tmp/trace")
    lines = [line.split(maxsplit=1)[1] for line in log.splitlines()]
    assert lines[0].startswith('execve("/tests/clone", ["/tests/clone"]') and lines[0].endswith("= 0")
    assert "exit_group(0)                     = ?" in lines and "+++ exited with 0 +++" in lines
    assert len({line.split()[0] for line in log.splitlines()}) > 5, log  # threads and processes
    _, text = machine.run("taskset 1 /usr/bin/strace -c -f sh -c 'echo one | cat'", 100)
    assert "one" in text and "execve" in text and "total" in text, text
    machine.run("rm /tmp/trace")


class Remote:
    """As much of a debugger as talks to gdbserver: packets of the remote serial protocol."""

    def __init__(self, machine):
        self.sock = machine.connect(2345)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __call__(self, text):
        self.sock.sendall(b"$%b#%02x" % (text.encode(), sum(text.encode()) % 256))
        while self.file.read(1) != b"$":
            pass
        answer = b""
        while (c := self.file.read(1)) != b"#":
            answer += c
        self.file.read(2)
        self.sock.sendall(b"+")
        # A character, a star, and how often it comes once more, plus 29.
        return re.sub(r"(.)\*(.)", lambda m: m[1] * (ord(m[2]) - 28), answer.decode())

    def rip(self):
        return int.from_bytes(bytes.fromhex(self("g")[256:272]), "little")


def test_gdbserver(machine):
    """A breakpoint, a few steps, the end."""
    names = subprocess.run(["nm", os.path.join(vm.BUILD, "user", "tests", "epoll_lt")], check=True,
                           capture_output=True, text=True).stdout
    main = next(int(line.split()[0], 16) for line in names.splitlines() if line.endswith(" T main"))
    machine.spawn("/usr/bin/gdbserver --once 0.0.0.0:2345 /tests/epoll_lt", says="Listening on port")
    with contextlib.closing(Remote(machine)) as gdb:
        assert "swbreak+" in gdb("qSupported:swbreak+")
        assert gdb("?").startswith("T05")
        before = gdb(f"m{main:x},4")
        assert gdb(f"Z0,{main:x},1") == "OK"
        assert gdb("c").startswith("T05") and gdb.rip() == main
        assert gdb(f"m{main:x},4") == before  # it hides what it has put there
        assert gdb(f"z0,{main:x},1") == "OK"
        assert gdb("s").startswith("T05") and main < gdb.rip() < main + 16
        assert gdb("c") == "W00"
