"""The echo servers as a client on the network sees them."""

import socket
import subprocess
import threading
import time

import pytest

import vm
from streams import ask, connections, echo, first_difference, pattern, receive, reset

SERVERS = pytest.mark.parametrize("port", [7, 8], ids=["echo-epoll", "echo-blocking"])


@SERVERS
@pytest.mark.parametrize("size", [1, 64 << 10, 32 << 20], ids=["1B", "64KiB", "32MiB"])
def test_stream(machine, port, size):
    with machine.connect(port) as s:
        echo(s, pattern(size, f"stream {port} {size}"), timeout=180)


@SERVERS
def test_half_close(machine, port):
    """The client has said all; it still gets everything back, and then the end."""
    data = pattern(2 << 20, f"half {port}")
    with machine.connect(port) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        back = receive(s, len(data) + 1, 120)
        sender.join(vm.limit(10))
    assert not first_difference(data, back), first_difference(data, back)


def test_many_small_messages(machine):
    with machine.connect() as s:
        for n in range(500):
            ask(s, b"message %d " % n * (n % 20 + 1))


def test_urgent_data_is_left_out(machine):
    """A server that knows nothing of urgent data sees the stream without it."""
    with machine.connect(8) as s:
        for n in range(20):
            s.sendall(b"before %d " % n)
            s.send(b"!", socket.MSG_OOB)
            s.sendall(b"after")
            assert receive(s, len(b"before %d after" % n)) == b"before %d after" % n


def test_1000_connections_at_once(machine):
    with connections(machine, 1000) as socks:
        for n, s in enumerate(socks):
            s.sendall(b"connection %d" % n)
        for n, s in enumerate(socks):
            assert receive(s, len(b"connection %d" % n)) == b"connection %d" % n
        for n, s in reversed(list(enumerate(socks))):
            ask(s, pattern(1000, n))


@SERVERS
def test_reset_in_mid_stream(machine, port):
    """A client that vanishes while data flows both ways harms nobody."""
    with machine.connect(port) as neighbour:
        for n in range(10):
            s = machine.connect(port)
            s.settimeout(vm.limit(5))
            try:
                for _ in range(n + 1):
                    s.sendall(pattern(100_000, n))
            except TimeoutError:
                pass  # both directions are full, which is as good a moment as any
            reset(s)
            ask(neighbour, b"still there after %d?" % n)


@SERVERS
def test_client_that_never_reads(machine, port):
    """It fills its own connection and waits; the others are served as ever."""
    with machine.connect(port, rcvbuf=16384) as deaf, machine.connect(port) as other:
        deaf.settimeout(vm.limit(1.5))
        sent = 0
        try:
            while sent < 64 << 20:
                sent += deaf.send(b"x" * 65536)
        except TimeoutError:
            pass
        assert sent < 64 << 20, "the server takes what it cannot give back, without an end"
        for n in range(20):
            ask(other, pattern(5000, n))
        with machine.connect(port) as late:
            ask(late, b"and those who come later")
        # When it reads at last, not a byte is missing.
        deaf.shutdown(socket.SHUT_WR)
        assert len(receive(deaf, sent + 1, 120)) == sent


def test_server_killed_and_started_again(machine):
    count = 100 if machine.many else 30
    pid = machine.pid_of("echo-epoll")
    with connections(machine, count) as socks:
        for n, s in enumerate(socks):
            ask(s, b"%d" % n)
        machine.kill(pid)
        for s in socks:
            s.settimeout(vm.limit(20))
            try:
                assert s.recv(1) == b""
            except ConnectionResetError:
                pass
    if machine.net == "tap":
        with pytest.raises(ConnectionRefusedError):
            machine.connect(7)
    machine.spawn("echo-epoll 7", says=r"echo-epoll: port 7")
    with connections(machine, 10) as socks:
        for n, s in enumerate(socks):
            ask(s, b"again %d" % n)


def test_link_down_and_up(machine):
    """A pulled cable is not the end of a connection: what was lost is sent again."""
    with machine.connect() as s, machine.connect(8) as t:
        ask(s, b"before")
        ask(t, b"before")
        machine.link(False)
        s.sendall(b"into the void")
        t.sendall(b"likewise")
        time.sleep(2)
        machine.link(True)
        assert receive(s, 13, 60) == b"into the void"
        assert receive(t, 8, 60) == b"likewise"
        ask(s, pattern(50_000, "after"))
        with machine.connect() as new:
            ask(new, b"and new ones come in")


@pytest.mark.tap
@pytest.mark.parametrize("size", [0, 56, 1400, 4000])
def test_ping(machine, size):
    """4000 bytes are three fragments each way."""
    done = subprocess.run(
        machine.network.command("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", str(size),
                                machine.network.guest),
        capture_output=True, text=True, timeout=vm.limit(40))
    assert " 0% packet loss" in done.stdout, done.stdout + done.stderr


def test_level_triggered_server(machine):
    machine.spawn("echo-epoll -m lt 7", says=r"echo-epoll: bind: Address (already )?in use")
    machine.expect(r"exited with status 1\n")  # or its last words come amid what is typed next
    machine.kill(machine_server(machine))
    pid = machine.spawn("echo-epoll -m lt 7", says=r"echo-epoll: port 7, lt")
    with machine.connect() as s:
        echo(s, pattern(4 << 20, "level"), timeout=120)
    with connections(machine, 100 if machine.many else 10) as socks:
        for n, s in enumerate(socks):
            ask(s, b"level %d" % n)
    machine.kill(pid)
    machine.spawn("echo-epoll 7", says=r"echo-epoll: port 7, et")


def machine_server(machine):
    """The pid of the echo-epoll that runs."""
    return int(machine.run("pidof echo-epoll")[1])
