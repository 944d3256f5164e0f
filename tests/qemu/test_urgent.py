"""Urgent data between the guest and another TCP: Linux's, and segments made by hand."""

import random
import select
import socket

import pytest

import rawtcp
import vm
from streams import ask, receive

MACHINE = dict(net="tap")
pytestmark = pytest.mark.tap
PORT, LOUD = 77, 78


@pytest.fixture
def server(machine):
    """The machine, with both servers of urgent data."""
    pids = [machine.spawn(f"/tests/oob {PORT}", says="oob listens"),
            machine.spawn(f"/tests/oob {LOUD} loud", says="oob listens")]
    yield machine
    for pid in pids:
        machine.kill(pid)


def peer(server):
    return rawtcp.Peer(server.network, PORT)


def hears(sock, text):
    got = receive(sock, len(text))
    assert got == text, got


def test_from_linux(server):
    with server.connect(PORT) as s:
        hears(s, b"hello\n")
        for n in range(20):
            s.sendall(b"before")
            hears(s, b"data before\n")
            s.send(b"!", socket.MSG_OOB)
            hears(s, b"sigurg\nurgent !\n")
            s.sendall(b"after")
            hears(s, b"data after\n")
        s.sendall(b"more" * 1000 + b"?", socket.MSG_OOB)
        text = b""
        while b" mark\n" not in text:
            text += s.recv(65536)
        assert b"urgent ?\n" in text and text.count(b"more") >= 900


def urgent_byte(sock):
    """What Linux says is urgent, once it is there."""
    assert select.select([], [], [sock], vm.limit(20))[2]
    return sock.recv(1, socket.MSG_OOB)


def test_to_linux(server):
    """Every line of the loud server ends in an urgent byte."""
    with server.connect(LOUD) as s:
        assert urgent_byte(s) == b"\n"
        hears(s, b"hello")
        for n in range(20):
            s.sendall(b"line %d" % n)
            assert urgent_byte(s) == b"\n"
            hears(s, b"data line %d" % n)


def test_pointers(server):
    with peer(server) as p:
        p.open()
        p.hears(b"hello\n")
        p.send(b"abc", at=0, urg=2)
        p.hears(b"sigurg\nurgent b\ndata a mark\ndata c\n")
        p.send(b"de", at=3, urg=0)  # Linux: the same as 1
        p.hears(b"sigurg\nurgent d\ndata e\n")
        p.send(b"f", at=5, urg=3)  # two further on
        p.hears(b"sigurg\ndata f awaited\n")
        p.send(b"gh", at=6)
        p.hears(b"urgent h\ndata g mark\n")
        p.send(b"i", at=8, urg=0xffff)
        p.hears(b"sigurg\ndata i awaited\n")
        p.send(b"j", at=9, urg=1)  # not beyond what is announced: nothing new
        p.hears(b"data j awaited\n")


def test_pointers_that_do_not_count(server):
    with peer(server) as p:
        p.open()
        p.hears(b"hello\n")
        p.send(b"abc", at=0)
        p.hears(b"data abc\n")
        p.send(b"abc", at=0, urg=2)  # received long ago
        p.send(b"x", at=0x40000000, urg=1)  # outside the window, on both sides
        p.send(b"x", at=-0x4000000, urg=1)
        p.send(at=3, flags=0, urg=5)
        p.send(at=3, flags=rawtcp.SYN | rawtcp.ACK, urg=5)
        p.send(b"d", at=3)
        p.hears(b"data d\n")
        p.send(b"cde", at=2, urg=3)  # a part of it is new
        p.hears(b"sigurg\nurgent e\n")
        p.send(b"f", at=5)
        p.hears(b"data f\n")


def test_out_of_order(server):
    with peer(server) as p:
        p.open()
        p.hears(b"hello\n")
        p.send(b"cde", at=2, urg=2)
        p.hears(b"sigurg\n")
        p.send(b"ab", at=0)
        p.hears(b"urgent d\ndata abc mark\ndata e\n")


def test_with_the_end_of_the_handshake(server):
    with peer(server) as p:
        p.syn()
        p.send(b"abc", at=0, urg=3)
        p.hears(b"hello\n")
        p.wait(lambda: p.text.endswith(b"mark\n"), "mark")
        assert p.text == b"urgent c\ndata ab mark\n"  # nobody owned the socket yet


def test_pointer_stays_with_its_segment(server):
    """Sent again, it says again what is urgent."""
    with rawtcp.Peer(server.network, LOUD) as p:
        p.quiet = True
        p.open()
        p.wait(lambda: len(p.segments) > 1, "second try")
        assert p.segments == [(p.ack, rawtcp.URG, 6, b"hello\n")] * 2


def test_closed_window(server):
    """The probe of a closed window tells of what cannot be sent."""
    with rawtcp.Peer(server.network, LOUD) as p:
        p.window = 0
        p.quiet = True
        p.open()
        p.wait(lambda: p.segments, "probe")
        assert p.segments == [(p.ack, rawtcp.URG, 6, b"h")]
        p.window = 3
        p.send()
        p.wait(lambda: len(p.segments) > 1, "part")
        assert p.segments[1][1:] == (rawtcp.URG, 6, b"hel")


def test_noise(server):
    """Any pointers in any segments: the connection goes on, and so do the others."""
    rnd = random.Random(7)
    with server.connect() as other, peer(server) as p:
        p.open()
        p.hears(b"hello\n")
        for n in range(2000):
            p.send(rnd.randbytes(rnd.randrange(4)), at=rnd.randrange(-9, 200), urg=rnd.choice(
                [0, 1, 2, rnd.randrange(300), rnd.randrange(65536), 65535]),
                   flags=rnd.choice([rawtcp.ACK] * 7 + [rawtcp.ACK | rawtcp.PSH, 0, rawtcp.FIN]))
        ask(other, b"still there")
    with server.connect(PORT) as s:
        hears(s, b"hello\n")
        s.send(b"!", socket.MSG_OOB)
        hears(s, b"sigurg\nurgent !\n")
