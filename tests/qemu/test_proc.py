"""/proc as only root, or only this kernel, sees it."""

MACHINE = dict(append="init.run=", net=None)


def test_the_stack_of_a_sleeper(machine):
    pid = machine.spawn("/bin/busybox sleep 100")
    while machine.read_file(f"/proc/{pid}/stat").split()[2] != "S":
        pass
    frames = [line.split()[1].split("+")[0]
              for line in machine.read_file(f"/proc/{pid}/stack").split("\n") if line]
    assert any(f.startswith("schedule") for f in frames) and len(frames) > 2, frames
    assert machine.read_file(f"/proc/{pid}/wchan") in frames
    machine.kill(pid)


def test_who_is_registered(machine):
    devices = machine.read_file("/proc/devices")
    assert "  1 /dev/null\n" in devices and "136 pts\n" in devices, devices
    assert machine.read_file("/proc/consoles").startswith("ttyS0 ")


def test_the_log(machine):
    """tests/guest/kmsg.c, and dmesg reads what it has left."""
    status, text = machine.run("/tests/kmsg", 60)
    assert status == 0 and "not ok" not in text, text
    last = "/bin/busybox sh -c 'dmesg | tail -n 1 | cut -c 16-'"
    assert machine.run(last) == (0, "for klogd\n")


def test_overcommit(machine):
    """tests/guest/overcommit.c: the three ways to promise memory."""
    status, text = machine.run("/tests/overcommit", 60)
    assert status == 0 and "not ok" not in text, text
