"""
make demo MODEL=epoll: boots a machine, starts the echo server of that I/O model, connects a few clients,
and prints the road of one message as the kernel's tracepoints saw it. The times are those of an emulated
processor: compare them with each other, not with a real machine's.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "qemu"))

import vm  # noqa: E402  (needs the path)
from streams import ask  # noqa: E402

SERVERS = {"epoll": ("echo-epoll -m lt", 7), "blocking": ("echo-blocking -m thread", 8),
           "nonblock": ("echo-nonblock", 9), "select": ("echo-select", 10),
           "poll": ("echo-poll", 11), "sigio": ("echo-sigio", 12), "aio": ("echo-aio", 13)}
CLIENTS = 5
MESSAGE = b"m" * 77  # of a length that nothing else has

LINE = re.compile(r"^ *(?P<comm>\S.*)-(?P<pid>\d+) +\[(?P<cpu>\d+)\] (?P<context>..) +"
                  r"(?P<time>\d+\.\d+): (?P<event>\w+): (?P<text>.*)$", re.MULTILINE)
SAYS = {
    "irq_handler_entry": "top half: the card has put a frame into memory",
    "softirq_raise": "  the rest is for the bottom half",
    "irq_handler_exit": "  and the top half leaves",
    "softirq_entry": "bottom half, on the way out of the interrupt",
    "net_rx_action": "  NAPI polls the card's ring",
    "netif_receive": "  a frame goes to lwIP: Ethernet, IP",
    "tcp_input": "  lwIP has found the connection",
    "sock_def_readable": "  the data is on the socket's queue: wake whoever waits",
    "ep_poll_callback": "  an epoll waits: the item joins its ready list",
    "pollwake": "  a poll() or select() waits, and will ask all its files again",
    "send_sigio": "  its owner asked for a signal: one is queued",
    "sched_wakeup": "  a task sleeps there: it becomes runnable",
    "net_rx_exit": "  the ring is empty",
    "softirq_exit": "the bottom half is done",
    "sched_switch": "the scheduler gives a task the CPU",
    "epoll_wait": "the server waits for the next event",
    "epoll_wait_exit": "epoll_wait() returns: only what is ready",
    "poll": "the server hands over all its descriptors and waits",
    "poll_exit": "poll() returns: the server now looks through all of them",
    "select": "the server hands over its sets of descriptors and waits",
    "select_exit": "select() returns: the server now looks through the sets",
    "sock_recvmsg": "the server reads",
    "sock_recvmsg_exit": "  and has the message",
    "sock_sendmsg": "the server answers",
    "net_dev_xmit": "  a frame for the card",
    "sock_sendmsg_exit": "  and is done with it",
}


def poke(m, name, text):
    status, said = m.run(f"poke /proc/trace/{name} {text}")
    if status:
        raise vm.MachineError(said)


def one_message(m, port):
    """Traces one message of the last of some clients; the text and the JSON of the trace."""
    clients = [m.connect(port) for _ in range(CLIENTS)]
    try:
        for s in clients:
            ask(s, b"hello")
        poke(m, "tracing_on", "1")
        ask(clients[-1], MESSAGE)
        poke(m, "tracing_on", "0")
    finally:
        for s in clients:
            s.close()
    return m.run("cat /proc/trace/trace")[1], m.run("cat /proc/trace/trace.json")[1]


def road(records):
    """From the interrupt that brought the message to the answer's frame, without bystanders."""
    arrival = next(i for i, r in enumerate(records) if r["event"] == "tcp_input"
                   and r["text"].endswith(f"len={len(MESSAGE)}"))
    cpu = records[arrival]["cpu"]
    first = max(i for i, r in enumerate(records[:arrival])
                if r["event"] in ("irq_handler_entry", "softirq_entry") and r["cpu"] == cpu)
    # The bottom half begins in the interrupt's shadow: start with the interrupt, if there was one.
    first = max((i for i, r in enumerate(records[:first]) if r["event"] == "irq_handler_entry"
                 and r["cpu"] == cpu), default=first)
    last = next((i for i, r in enumerate(records) if i > arrival
                 and r["event"] == "sock_sendmsg_exit"), len(records) - 1)
    bottom = next((i for i, r in enumerate(records) if i > arrival and r["cpu"] == cpu
                   and r["event"] == "softirq_exit"), last)
    return [r for i, r in enumerate(records[first:last + 1], first)
            if (r["comm"] == records[last]["comm"] and r["context"][1] == ".")
            or (r["context"][1] != "." and r["cpu"] == cpu and i <= bottom)]


def show(kept):
    context = {"h": "hard irq", "H": "hard irq", "s": "soft irq", ".": "process"}
    start = before = float(kept[0]["time"])
    print(f"{'µs':>6} {'step':>5}  CPU  {'context':9} {'task':17} {'stop':36} what happens")
    for r in kept:
        now = float(r["time"])
        stop = f"{r['event']} {r['text']}"
        print(f"{(now - start) * 1e6:6.0f} {(now - before) * 1e6:5.0f}  {int(r['cpu']):>3}  "
              f"{context[r['context'][1]]:9} {r['comm'] + '-' + r['pid']:17} {stop:36} "
              f"{SAYS.get(r['event'], '')}")
        before = now


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else "epoll"
    if model not in SERVERS:
        sys.exit(f"MODEL is one of: {' '.join(SERVERS)}")
    command, port = SERVERS[model]
    with vm.Machine(append="init.run=", net="user", forward=(port,), name="demo") as m:
        m.spawn(command, says=rf"{command.split()[0]}: port {port}")
        text, json_text = one_message(m, port)
    path = os.path.join(vm.BUILD, f"demo-{model}.json")
    with open(path, "w") as f:
        f.write(json_text)
    print(f"One message of {len(MESSAGE)} bytes to {command}, of {CLIENTS} clients:\n")
    show(road([m.groupdict() for m in LINE.finditer(text)]))
    print(f"\nThe whole trace as a picture: open {path} in ui.perfetto.dev or chrome://tracing.")


if __name__ == "__main__":
    main()
