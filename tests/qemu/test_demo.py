"""make demo: the road of one message, as a newcomer sees it."""

import os
import subprocess
import sys

import pytest

import vm

DEMO = os.path.join(os.path.dirname(__file__), "..", "demo", "demo.py")
RX = ["irq_handler_entry", "softirq_entry", "netif_receive", "tcp_input", "sock_def_readable"]
ROADS = {
    "epoll": RX + ["ep_poll_callback", "epoll_wait_exit", "sock_recvmsg_exit", "net_dev_xmit"],
    "select": RX + ["pollwake", "select_exit", "sock_recvmsg_exit", "net_dev_xmit"],
    "sigio": RX + ["send_sigio", "sock_recvmsg_exit", "net_dev_xmit"],
    "blocking": RX + ["sched_wakeup", "sock_recvmsg_exit", "net_dev_xmit"],
}


@pytest.mark.parametrize("model", ROADS)
def test_road(model):
    done = subprocess.run([sys.executable, "-B", DEMO, model], capture_output=True, text=True,
                          timeout=vm.limit(120))
    assert done.returncode == 0, done.stdout + done.stderr
    at = 0
    for stop in ROADS[model]:
        at = done.stdout.find(f" {stop} ", at)
        assert at >= 0, f"no {stop} in its place:\n{done.stdout}"


def test_a_model_that_is_not_there():
    done = subprocess.run([sys.executable, "-B", DEMO, "telepathy"], capture_output=True, text=True,
                          timeout=vm.limit(60))
    assert done.returncode != 0 and "MODEL is one of" in done.stderr
