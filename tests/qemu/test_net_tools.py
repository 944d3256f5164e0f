"""The network as programs ask about it: raw and ping sockets, route sockets, and the tools of busybox
that use them."""

import difflib
import os
import subprocess

import pytest

import netns
import vm

MACHINE = dict(append="init.run= ip=10.0.2.15/24,gw=10.0.2.2", net="user")


def on_host(program):
    """The text of a program of tests/guest in a network namespace of its own."""
    network = netns.Network()
    try:
        path = os.path.join(vm.BUILD, "user", "tests", program)
        done = subprocess.run(network.command(path), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vm.limit(60))
    finally:
        network.close()
    assert done.returncode == 0, f"fails on the host:\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("program", ["rawsock"])
def test_sockets_of_root(machine, program):
    """What only root may do: as on Linux, where the host lets us ask."""
    status, text = machine.run(f"/tests/{program}", 120)
    assert status == 0, text
    if netns.available():
        expected = on_host(program)
        diff = "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(),
                                              "Linux", "Pollux", lineterm="", n=1))
        assert not diff, diff


@pytest.mark.parametrize("whom", ["127.0.0.1", "10.0.2.15", "10.0.2.2"])
def test_ping(machine, whom):
    status, text = machine.run(f"ping -c 3 -i 0.1 -W 5 {whom}")
    assert status == 0 and "3 packets received, 0% packet loss" in text, text


@pytest.mark.parametrize("how", ["", "-I"])
def test_traceroute(machine, how):
    """The gateway is one hop away: it answers the echo, or says that nobody is at the port."""
    status, text = machine.run(f"traceroute {how} -n -q 1 -m 2 -w 2 10.0.2.2")
    assert status == 0 and "\n 1  10.0.2.2  " in text, text
