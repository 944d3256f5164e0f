"""Every way in: GRUB's ISO under BIOS and under UEFI, and QEMU's own loader."""

import os
import re
import struct
import subprocess
import time

import pytest

import vm


def echo_once(machine, port):
    with machine.connect(port) as s:
        s.sendall(b"anybody there?\n")
        assert s.recv(100) == b"anybody there?\n"


@pytest.mark.parametrize("boot", ["iso", "uefi", "kernel"])
def test_boots_to_an_answered_echo(boot):
    with vm.Machine(boot=boot, net="user", name=f"test_boot-{boot}") as m:
        for port, server in ((7, "echo-epoll"), (8, "echo-blocking")):
            assert f"{server}: port {port}" in m.console
            echo_once(m, port)
        assert ".mod' not found" not in m.console  # GRUB's, before ours


def processors(machine):
    """What the kernel says it has, in three places that must agree."""
    names = machine.read_file("/proc/interrupts").splitlines()[0].split()
    stat = re.findall(r"^cpu(\d+) ", machine.read_file("/proc/stat"), re.MULTILINE)
    info = re.findall(r"^processor\t: (\d+)$", machine.read_file("/proc/cpuinfo"), re.MULTILINE)
    assert names == [f"CPU{n}" for n in stat] and stat == info
    return len(names)


@pytest.mark.parametrize("cpus, append, expected", [
    (2, "", 2),
    (4, "", 4),
    (4, "maxcpus=3", 3),
    (4, "maxcpus=1", 1),
    (20, "", 16),  # MAX_CPUS: the others are left alone
])
def test_processors_start(cpus, append, expected):
    with vm.Machine(cpus=cpus, net=None, append=f"init.run= {append}", name="test_boot-smp") as m:
        assert processors(m) == expected


def per_processor(machine):
    """{label: [count of each processor]} of /proc/interrupts, and the ticks that each was at work."""
    rows = re.findall(r"^ *(\w+):((?: +\d+){4})", machine.read_file("/proc/interrupts"), re.M)
    times = re.findall(r"^cpu\d+ (\d+) \d+ (\d+)", machine.read_file("/proc/stat"), re.M)
    counts = {label: [int(n) for n in numbers.split()] for label, numbers in rows}
    return counts, [int(user) + int(system) for user, system in times]


def test_processors_are_counted_each():
    """Timers, calls and time of each processor, while all have something to do."""
    with vm.Machine(cpus=4, net=None, append="init.run=", name="test_boot-counts") as m:
        before, worked = per_processor(m)
        pid = m.spawn("/tests/busy 8", says="busy: 8 threads")
        deadline = time.monotonic() + vm.limit(30)
        while True:
            assert m.run("/stress/vm_stress -r 1")[0] == 0  # threads that unmap
            after, works = per_processor(m)
            if (all(b > a for a, b in zip(before["LOC"] + worked, after["LOC"] + works))
                    and all(sum(after[label]) > 0 for label in ("RES", "CAL", "TLB"))):
                break
            assert time.monotonic() < deadline, (before, after, worked, works)
        m.kill(pid)


def test_processors_start_under_uefi():
    """Where low memory is the firmware's to hand out, and its page tables are not ours."""
    with vm.Machine(cpus=2, boot="uefi", net="user", name="test_boot-smp-uefi") as m:
        assert processors(m) == 2


def test_command_line_reaches_init():
    line = 'nonsense=1 init.run="sleep 1000; cat /proc/cmdline" quoted="a b"'
    with vm.Machine(append=line, net=None, name="test_boot-cmdline") as m:
        assert m.expect(r"\[init\] cat \(pid \d+\) exited with status 0")
        assert "nonsense=1" in m.console and 'quoted="a b"' in m.console
        assert "echo-epoll" not in m.console


def test_little_memory():
    with vm.Machine(append="init.run=", mem="64M", net=None, name="test_boot-64M") as m:
        assert m.run("ls /")[0] == 0


def test_much_memory():
    """Memory above the hole below 4 GiB is found and used."""
    with vm.Machine(append="init.run=", mem="5G", net=None, name="test_boot-5G") as m:
        total = int(re.search(r"MemTotal: +(\d+) kB", m.read_file("/proc/meminfo"))[1])
        # An eighth is the sanitizer's shadow.
        assert total > (4.2 if vm.SAN else 4.8) * 1024 * 1024


def test_exit_powers_off():
    m = vm.Machine(append="init.run=", net=None, name="test_boot-off")
    with m:
        m.type("exit\n")
        m.wait_exit(20)
        assert m.process.returncode == 0, m.tail()


def test_address_from_dhcp_and_from_the_command_line():
    with vm.Machine(net="user", append="init.run=", name="test_boot-dhcp") as m:
        if "10.0.2.15" not in m.console:
            m.expect(r"10\.0\.2\.15", 20)
    line = "ip=10.0.2.77::10.0.2.2:255.255.255.0 init.run="
    with vm.Machine(net="user", append=line, name="test_boot-static") as m:
        if "10.0.2.77" not in m.console:
            m.expect(r"10\.0\.2\.77", 20)


def syns(path):
    """How many connection requests a capture holds, by their IPv4 and TCP headers."""
    with open(path, "rb") as f:
        data = f.read()
    at, count = 24, 0
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        tcp = 14 + (frame[14] & 15) * 4 if frame[12:14] == b"\x08\x00" and frame[23] == 6 else 0
        count += tcp and frame[tcp + 13] & 0x12 == 0x02
        at += 16 + size
    return count


def test_a_client_before_the_address(tmp_path):
    """The host's DHCP server knows our address before we do: who comes then is not lost."""
    path = tmp_path / "early.pcap"
    dump = ["-object", f"filter-dump,id=dump,netdev=n0,file={path}"]
    with vm.Machine(net="user", qemu_args=dump, name="test_boot-early") as m:
        echo_once(m, 7)
    assert syns(path) == 1


def test_initramfs_is_reproducible():
    """The same programs give the same archive, byte for byte."""
    def cpio(options):
        with open(os.path.join(vm.BUILD, "initramfs.cpio"), "rb") as archive:
            return subprocess.run(["cpio", "--quiet", options], stdin=archive, capture_output=True,
                                  text=True, check=True).stdout.splitlines()

    names = cpio("-it")
    assert names == sorted(names)
    listing = cpio("-itvn")
    assert all(re.search(r" 0 +0 +\d+ Jan +1 +1970 ", line) for line in listing), listing
