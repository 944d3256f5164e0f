"""The network as programs ask about it: raw and ping sockets, route sockets, and the tools of busybox
that use them."""

import difflib
import os

import pytest

import host
import netns
import vm

MACHINE = dict(append="init.run= ip=10.0.2.15/24,gw=10.0.2.2", net="user")


def on_host(program):
    """The text of a program of tests/guest in a network namespace of its own."""
    network = netns.Network()
    try:
        path = os.path.join(vm.BUILD, "user", "tests", program)
        status, text = host.run(network.command(path), 60)
    finally:
        network.close()
    assert status == 0, f"fails on the host:\n{text}"
    return text


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


def icmp_counts(machine):
    rows = [line.split()[1:] for line in machine.read_file("/proc/net/snmp").splitlines()
            if line.startswith("Icmp:")]
    return dict(zip(rows[0], map(int, rows[1])))


@pytest.mark.parametrize("whom", ["127.0.0.1", "10.0.2.15", "10.0.2.2"])
def test_ping(machine, whom):
    before = icmp_counts(machine)
    status, text = machine.run(f"ping -c 3 -i 0.1 -W 5 {whom}")
    assert status == 0 and "3 packets received, 0% packet loss" in text, text
    after = icmp_counts(machine)
    for name in ("OutEchos", "InEchoReps"):
        assert after[name] - before[name] == 3, name


@pytest.mark.parametrize("how", ["", "-I"])
def test_traceroute(machine, how):
    """The gateway is one hop away: it answers the echo, or says that nobody is at the port."""
    status, text = machine.run(f"traceroute {how} -n -q 1 -m 1 -w 10 10.0.2.2")
    assert status == 0 and "\n 1  10.0.2.2  " in text, text


def lines(machine, command):
    """What a command prints, with single blanks."""
    status, text = machine.run(command)
    assert status == 0, text
    return [" ".join(line.split()) for line in text.splitlines()]


LO = ["1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000",
      "link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"]
ETH = ["2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue qlen 256",
       "link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff"]
FOREVER = "valid_lft forever preferred_lft forever"


def test_ip(machine):
    assert lines(machine, "ip link") == LO + ETH
    assert lines(machine, "ip link show eth0") == ETH
    assert lines(machine, "ip addr") == [
        *LO, "inet 127.0.0.1/8 scope host lo", FOREVER,
        *ETH, "inet 10.0.2.15/24 brd 10.0.2.255 scope global eth0", FOREVER]
    assert lines(machine, "ip route") == [
        "default via 10.0.2.2 dev eth0", "10.0.2.0/24 dev eth0 scope link src 10.0.2.15"]
    assert lines(machine, "ip route get 192.0.2.1") == [
        "192.0.2.1 via 10.0.2.2 dev eth0 src 10.0.2.15"]
    assert lines(machine, "ip route get 10.0.2.9") == ["10.0.2.9 dev eth0 src 10.0.2.15"]
    assert lines(machine, "ip route get 10.0.2.15")[0].startswith("local 10.0.2.15 dev lo ")
    lines(machine, "ping -c 1 10.0.2.2")
    assert "10.0.2.2 dev eth0 lladdr 52:55:0a:00:02:02 REACHABLE" in lines(machine, "ip neigh")
    status, text = machine.run("ip addr add 10.0.2.16/24 dev eth0")
    assert status and "Operation not supported" in text, text


def test_ifconfig_and_route(machine):
    text = lines(machine, "ifconfig eth0")
    assert text[:3] == ["eth0 Link encap:Ethernet HWaddr 52:54:00:12:34:56",
                        "inet addr:10.0.2.15 Bcast:10.0.2.255 Mask:255.255.255.0",
                        "UP BROADCAST RUNNING MULTICAST MTU:1500 Metric:1"], text
    assert lines(machine, "route -n")[2:] == ["0.0.0.0 10.0.2.2 0.0.0.0 UG 0 0 0 eth0",
                                              "10.0.2.0 0.0.0.0 255.255.255.0 U 0 0 0 eth0"]
    status, text = machine.run("ifconfig eth0 down")
    assert status and "Operation not supported" in text, text


def test_cable_and_address_are_announced():
    """The cable is out at boot, so that DHCP cannot be faster than who listens."""
    m = vm.Machine(append="init.run=", net="user", name="test_net_tools-cable", qemu_args=["-S"])
    with m.start(ready=None):
        m.link(False)
        m.qmp("cont")
        m.expect(vm.READY, 60)
        m.prompt()
        m.spawn("/tests/rtnl watch 3", says="watching")
        m.link(True)
        m.expect(r"^eth0 is up\n", 20)
        m.expect(r"^eth0 has 10\.0\.2\.15\n", 20)
        m.link(False)
        m.expect(r"^eth0 is down\n", 20)
        m.expect(r"\(pid \d+\) exited with status 0", 20)
        m.leak_check()


def test_noise(machine):
    status, text = machine.run("/tests/rtnl noise", 60)
    assert status == 0 and not text, text
    assert lines(machine, "ip link") == LO + ETH
