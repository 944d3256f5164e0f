"""
The same clients against every I/O model: one, a hundred and nine hundred at a time, some of whom say
all and wait for the rest (half-close), some vanish (reset), some do not read for a while.
"""

import contextlib
import select
import socket
import struct
import time

import pytest

import vm
from streams import ask, connections, first_difference, pattern, receive, reset

PORTS = {"echo-epoll": 7, "echo-blocking": 8, "echo-nonblock": 9, "echo-select": 10,
         "echo-poll": 11, "echo-sigio": 12, "echo-aio": 13}
MODELS = ["echo-epoll -m et", "echo-epoll -m lt", "echo-epoll -m oneshot", "echo-epoll -m exclusive",
          "echo-epoll -m reuseport", "echo-blocking -m process", "echo-blocking -m thread",
          "echo-nonblock", "echo-select", "echo-poll", "echo-sigio", "echo-aio"]
# One process from beginning to end, so that its open files can be counted.
ALONE = ("et", "lt", "oneshot", "thread", "nonblock", "select", "poll", "sigio", "aio")
SLOW = 10  # clients that do not read: each fills buffers in both directions

# 900 processes or threads; the checked build's stacks are twice as large.
MACHINE = {"append": "init.run=", "forward": tuple(PORTS.values()), "mem": "768M" if vm.SAN else None}


def talk_and_half_close(s, n):
    data = pattern(3000 + n, f"half {n}")
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    back = receive(s, len(data) + 1)
    assert not first_difference(data, back), first_difference(data, back)


def talk_and_reset(s, n):
    s.sendall(pattern(2000 + n, f"reset {n}"))
    reset(s)


def fill(s, n):
    """Sends until nothing more is taken; what was sent."""
    data = pattern(200_000, f"slow {n}")
    s.settimeout(0)
    at = 0
    with contextlib.suppress(BlockingIOError):
        while at < len(data):
            at += s.send(data[at:at + 20_000])
    s.settimeout(vm.limit(60))
    return data[:at]


def read_late(s, sent):
    s.shutdown(socket.SHUT_WR)
    back = receive(s, len(sent) + 1)
    assert not first_difference(sent, back), first_difference(sent, back)


def play(socks):
    """Every third client half-closes, every third resets, some of the others read late."""
    slow = socks[2::3][:SLOW]
    sent = [fill(s, n) for n, s in enumerate(slow)]
    for n, s in enumerate(socks):
        if n % 3 == 0:
            talk_and_half_close(s, n)
        elif n % 3 == 1:
            talk_and_reset(s, n)
        elif s not in slow:
            ask(s, b"client %d" % n)
    for s, data in zip(slow, sent):
        read_late(s, data)


def open_files(machine, pid):
    return len(machine.run(f"ls /proc/{pid}/fd")[1].split())


def settles(machine, pid, count):
    """The server learns of the last resets a moment after us."""
    deadline = time.monotonic() + vm.limit(20)
    while open_files(machine, pid) != count:
        assert time.monotonic() < deadline, f"{open_files(machine, pid)} open files, not {count}"


@pytest.fixture(scope="module", params=MODELS, name="server")
def _server(request, holder):
    machine = holder.get()
    name, port = request.param.split()[0], PORTS[request.param.split()[0]]
    pid = machine.spawn(request.param, says=rf"{name}: port {port}")
    yield request.param, port, pid
    if holder.machine is machine and not holder.broken:
        machine.kill(pid)


@pytest.mark.parametrize("count", [1, 100, 900])
def test_clients(machine, server, count):
    command, port, pid = server
    if count > 30 and not machine.many:
        pytest.skip("so many connections need a tap")
    alone = command.endswith(ALONE)
    before = open_files(machine, pid) if alone else 0
    if count == 1:
        for role in (lambda s: read_late(s, fill(s, 1)), lambda s: talk_and_half_close(s, 1),
                     lambda s: talk_and_reset(s, 1)):
            with machine.connect(port) as s:
                role(s)
    else:
        with connections(machine, count, port) as socks:
            play(socks)
    with machine.connect(port) as s:
        ask(s, b"still there?")
    if alone:
        settles(machine, pid, before)


@pytest.mark.parametrize("mode", ["blocking", "epoll"])
def test_datagrams(machine, mode):
    if machine.net != "tap":
        pytest.skip("no port is forwarded for UDP")
    pid = machine.spawn(f"udp-echo -m {mode} 7", says="udp-echo: port 7")
    with machine.network.inside():
        s = socket.socket(type=socket.SOCK_DGRAM)
    with s:
        s.connect((machine.network.guest, 7))
        for size in (0, 1, 100, 1472, 4000, 9000):
            data = pattern(size, f"datagram {size}")
            s.send(data)
            assert select.select([s], [], [], vm.limit(10))[0], f"no answer to {size} bytes"
            assert s.recv(65536) == data
    machine.kill(pid)


def igmp(wire, kind, group):
    """Waits for a message to the routers: 0x16, a member reports itself; 0x17, it leaves. RFC 2236."""
    deadline = time.monotonic() + vm.limit(10)
    while True:
        assert select.select([wire], [], [], max(deadline - time.monotonic(), 0))[0], hex(kind)
        frame = wire.recv(2048)
        start = 14 + (frame[14] & 15) * 4
        if frame[23] == socket.IPPROTO_IGMP and frame[start] == kind:
            assert frame[start + 4:start + 8] == socket.inet_aton(group)
            return


def test_multicast(machine):
    """A group on the wire: the guest reports itself, hears, is heard, and leaves."""
    if machine.net != "tap":
        pytest.skip("a group needs a wire")
    group, port, host = "239.77.1.1", 7777, socket.inet_aton(machine.network.host)
    with contextlib.ExitStack() as stack:
        with machine.network.inside():
            s = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            member = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            wire = stack.enter_context(
                socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)))
        s.settimeout(vm.limit(10))
        member.settimeout(vm.limit(10))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, host)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        member.bind((group, port))
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                          struct.pack("4s4s", socket.inet_aton(group), host))
        machine.spawn(f"group {group} {port}", says="ok 1 - join")
        igmp(wire, 0x16, group)
        s.sendto(b"who is there?", (group, port))
        assert s.recvfrom(100) == (b"who is there?", (machine.network.guest, port))
        heard = [member.recvfrom(100) for _ in range(3)]
        assert heard == [(text, (machine.network.guest, port))
                         for text in (b"to all", b"to the others", b"to all again")]
        machine.expect(r"\[init\] group \(pid \d+\) exited with status 0")
        igmp(wire, 0x17, group)
