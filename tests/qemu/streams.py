"""What the tests send, and how they check what comes back."""

import contextlib
import hashlib
import select
import socket
import struct
import threading
import time

import vm


def pattern(size, seed):
    """@size bytes that nothing but this seed gives: a lost, repeated or moved part shows."""
    out = bytearray()
    for n in range((size + 65535) // 65536):
        block = hashlib.sha512(f"{seed}/{n}".encode()).digest()
        out += b"".join(struct.pack(">II", n, i) + block[i % 57:i % 57 + 8]
                        for i in range(65536 // 16))
    return bytes(out[:size])


def receive(sock, size, timeout=60):
    """Exactly @size bytes, or as many as came before the end of the stream."""
    deadline = time.monotonic() + vm.limit(timeout)
    got = bytearray()
    poller = select.poll()  # select() knows no descriptors above 1,023
    poller.register(sock, select.POLLIN)
    while len(got) < size:
        if not poller.poll(max(0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"{len(got)} of {size} bytes within {vm.limit(timeout):.0f} s")
        part = sock.recv(min(size - len(got), 1 << 20))
        if not part:
            break
        got += part
    return bytes(got)


def first_difference(a, b):
    """A short text that says where two byte strings part, or "" where they do not."""
    if a == b:
        return ""
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"{len(a)} and {len(b)} bytes, different from byte {at} on"


def echo(sock, data, timeout=60):
    """Sends @data and expects it back, both at once, so that neither side has to buffer it all."""
    failed = []

    def send():
        try:
            sock.sendall(data)
        except OSError as e:
            failed.append(e)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    back = receive(sock, len(data), timeout)
    sender.join(vm.limit(10))
    assert not sender.is_alive() and not failed, f"sending: {failed or 'still at it'}"
    assert not first_difference(data, back), first_difference(data, back)


def reset(sock):
    """Closes with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextlib.contextmanager
def connections(machine, count, port=7):
    """That many open connections. Opened in small lots, so that no queue on the way overflows."""
    socks = []
    try:
        for n in range(count):
            socks.append(machine.connect(port))
            if n % 50 == 49:
                ask(socks[-1], b"%d" % n)  # the guest has caught up when it answers
        yield socks
    finally:
        for n, s in enumerate(socks):
            s.close()
            if n % 100 == 99:
                time.sleep(0.01)


@contextlib.contextmanager
def asked_all_the_while(sock):
    """Asks and expects answers, over and over, for as long as the block takes; all must come."""
    over, failed, answers = threading.Event(), [], 0

    def keep_asking():
        nonlocal answers
        try:
            while not over.is_set():
                ask(sock, b"number %d" % answers)
                answers += 1
        except Exception as e:
            failed.append(repr(e))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
    assert answers and not failed, (answers, failed)


def ask(sock, data):
    """One small question, one small answer."""
    sock.sendall(data)
    back = receive(sock, len(data))
    assert back == data, f"{data[:80]!r} came back as {back[:80]!r}"
