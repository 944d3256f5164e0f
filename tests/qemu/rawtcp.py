"""A TCP peer made by hand, on the tap of a netns.Network: every header is as the test wants it."""

import random
import socket
import struct
import time

import vm

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ETH_IP, ETH_ARP = 0x0800, 0x0806
MAC = bytes.fromhex("02000a4d004d")
ADDRESS = "10.77.0.77"  # nobody's, so that the host's own TCP stays out of it


def checksum(data):
    words = struct.unpack(f">{len(data) // 2 + len(data) % 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Peer:
    """One connection to a port of the guest. Sequence numbers are relative: 0 is the first byte of data."""

    def __init__(self, network, port, sport=None):
        with network.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((network.tap, 0))
        self.socket.settimeout(0.2)
        self.ips = socket.inet_aton(ADDRESS), socket.inet_aton(network.guest)
        self.port, self.sport = port, sport or random.randrange(20000, 60000)
        self.isn = random.getrandbits(32)
        self.ack = 0  # what we have seen of the guest's stream, absolute
        self.acked = None  # what it has seen of ours, relative
        self.text = b""
        self.window = 0xffff
        self.quiet = False  # acknowledges nothing by itself
        self.segments = []  # the guest's with data: (number, flags, urgent pointer, data)
        self.mac = self._arp()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.send(flags=RST | ACK, at=self.acked or 0)
        self.socket.close()

    def _arp(self):
        ask = struct.pack(">HHBBH6s4s6s4s", 1, ETH_IP, 6, 4, 1, MAC, self.ips[0], b"\0" * 6, self.ips[1])
        end = time.monotonic() + vm.limit(20)
        while time.monotonic() < end:
            self.socket.send(b"\xff" * 6 + MAC + struct.pack(">H", ETH_ARP) + ask)
            frame = self._frame()
            if frame and frame[12:14] == struct.pack(">H", ETH_ARP) and frame[28:32] == self.ips[1]:
                return frame[22:28]
        raise AssertionError("the guest does not answer ARP")

    def _frame(self):
        try:
            return self.socket.recv(2048)
        except TimeoutError:
            return None

    def send(self, data=b"", at=0, flags=ACK, urg=None):
        """A segment at relative number @at; @urg is its urgent pointer."""
        flags |= URG if urg is not None else 0
        header = struct.pack(">HHIIBBHHH", self.sport, self.port, (self.isn + 1 + at) & 0xffffffff,
                             self.ack, 5 << 4, flags, self.window, 0, urg or 0)
        pseudo = self.ips[0] + self.ips[1] + struct.pack(">HH", 6, len(header) + len(data))
        header = header[:16] + struct.pack(">H", checksum(pseudo + header + data)) + header[18:]
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(header) + len(data), 0, 0, 64, 6, 0, *self.ips)
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
        self.socket.send(self.mac + MAC + struct.pack(">H", ETH_IP) + ip + header + data)

    def _take(self, frame):
        """Looks at a frame, and at more if it belongs to us."""
        ip = frame[14:]
        if frame[12:14] != struct.pack(">H", ETH_IP) or ip[9] != 6 or ip[16:20] != self.ips[0]:
            return
        tcp = ip[20:struct.unpack(">H", ip[2:4])[0]]
        sport, dport, seq, ack, offset, flags, _, _, urg = struct.unpack(">HHIIBBHHH", tcp[:20])
        if (sport, dport) != (self.port, self.sport):
            return
        data = tcp[offset >> 4 << 2:]
        if data:
            self.segments.append((seq, flags & URG, urg, data))
        if flags & ACK:
            self.acked = (ack - self.isn - 1) & 0xffffffff
        if flags & SYN:
            self.ack = (seq + 1) & 0xffffffff
        elif data and seq == self.ack and not self.quiet:
            self.ack = (seq + len(data)) & 0xffffffff
            self.text += data
            self.send(at=self.acked)

    def wait(self, condition, what):
        end = time.monotonic() + vm.limit(20)
        while not condition():
            assert time.monotonic() < end, f"no {what}; the guest has said {self.text}"
            frame = self._frame()
            if frame:
                self._take(frame)

    def syn(self):
        self.send(at=-1, flags=SYN)
        self.wait(lambda: self.ack, "SYN-ACK")

    def open(self):
        self.syn()
        self.send()

    def hears(self, text):
        """Waits for just these next words of the guest."""
        self.wait(lambda: len(self.text) >= len(text), text)
        said, self.text = self.text[:len(text)], self.text[len(text):]
        assert said == text, f"the guest has said {said + self.text}"
