"""Tracepoints: what /proc/trace says of a message on its way."""

import json
import re

import pytest

import vm
from streams import ask

LINE = re.compile(r"^ *(?P<comm>\S.*)-(?P<pid>\d+) +\[(?P<cpu>\d+)\] (?P<context>..) +"
                  r"(?P<time>\d+\.\d{6}): (?P<event>\w+): (?P<text>.*)$")
RX = ["irq_handler_entry", "softirq_raise", "softirq_entry", "net_rx_action", "netif_receive",
      "tcp_input", "sock_def_readable", "ep_poll_callback"]
ANSWER = ["epoll_wait_exit", "sock_recvmsg", "sock_recvmsg_exit", "sock_sendmsg", "net_dev_xmit",
          "sock_sendmsg_exit"]


@pytest.fixture(name="m", scope="module")
def _machine():
    with vm.Machine(name="test_trace") as m:
        yield m


def poke(m, name, text):
    return m.run(f"poke /proc/trace/{name} {text}")[0]


def read(m, name):
    status, text = m.run(f"cat /proc/trace/{name}")
    assert status == 0, text
    return text


def records(text):
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [LINE.match(line) for line in lines]
    assert all(found), [line for line, f in zip(lines, found) if not f]
    return [f.groupdict() for f in found]


def traced_message(m, events="all"):
    """The records of one message to the epoll server and its answer, oldest first."""
    with m.connect(7) as s:
        ask(s, b"warm up")
        assert poke(m, "trace", "0") == 0
        assert poke(m, "set_event", events) == 0
        assert poke(m, "tracing_on", "1") == 0
        ask(s, b"x" * 100)
        assert poke(m, "tracing_on", "0") == 0
    return records(read(m, "trace"))


def has_in_order(names, wanted):
    rest = iter(names)
    return all(name in rest for name in wanted)


def test_the_road_of_a_message(m):
    got = traced_message(m)
    times = [float(r["time"]) for r in got]
    assert times == sorted(times)
    # The frame on the CPU that takes the interrupt, the answer in the server's own words.
    start = next(i for i, r in enumerate(got)
                 if r["event"] == "tcp_input" and r["text"] == "port=7 len=100")
    cpu = got[start]["cpu"]
    assert has_in_order([r["event"] for r in got if r["cpu"] == cpu], RX), got
    assert has_in_order([r["event"] for r in got[start:] if r["comm"] == "echo-epoll"], ANSWER), got
    reading = [r for r in got if r["comm"] == "echo-epoll" and r["event"] == "sock_recvmsg_exit"]
    assert "ret=100" in [r["text"] for r in reading]
    contexts = {r["event"]: r["context"] for r in got}
    assert contexts["irq_handler_entry"] in ("dh", "dH") and contexts["net_rx_action"] == ".s"


def test_only_what_was_asked_for(m):
    got = traced_message(m, "'tcp_input epoll_wait_exit'")
    assert {r["event"] for r in got} == {"tcp_input", "epoll_wait_exit"}
    assert read(m, "set_event").split() == ["tcp_input", "epoll_wait_exit"]
    assert poke(m, "set_event", "no_such_event") != 0
    assert read(m, "set_event").split() == ["tcp_input", "epoll_wait_exit"]
    assert poke(m, "set_event", "all") == 0
    assert read(m, "set_event") == read(m, "available_events")


def test_off_and_cleared(m):
    traced_message(m)
    before = records(read(m, "trace"))
    with m.connect(7) as s:
        ask(s, b"nobody looks")
    assert records(read(m, "trace")) == before
    assert poke(m, "trace", "0") == 0
    assert not records(read(m, "trace"))
    assert read(m, "tracing_on").strip() == "0"
    assert m.read_file("/sys/kernel/tracing/tracing_on").strip() == "0"


def test_more_than_a_ring_holds(m):
    """The newest records stay, whole, in order; and reading while others write is safe."""
    assert poke(m, "tracing_on", "1") == 0
    with m.connect(7) as s:
        for _ in range(300):
            ask(s, b"again")
        got = records(read(m, "trace"))
    assert poke(m, "tracing_on", "0") == 0
    assert len(got) >= 1500
    times = [float(r["time"]) for r in got]
    assert times == sorted(times)
    assert poke(m, "trace", "0") == 0


def test_json_for_a_picture(m):
    traced_message(m)
    events = json.loads(read(m, "trace.json"))["traceEvents"]
    names = {e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert "CPU 0" in names and any(n.startswith("echo-epoll ") for n in names)
    assert {"B", "E", "i", "M"} == {e["ph"] for e in events}
    timed = [e["ts"] for e in events if "ts" in e]
    assert timed == sorted(timed)
    assert any(e["name"] == "tcp_input" and e["args"]["text"] == "port=7 len=100" for e in events)
