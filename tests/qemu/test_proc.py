"""/proc as only root, or only this kernel, sees it."""

MACHINE = dict(append="init.run=", net=None)


def test_the_stack_of_a_sleeper(machine):
    status, text = machine.run("/bin/busybox cat /proc/1/stack")
    assert status == 0
    frames = [line.split()[1].split("+")[0] for line in text.split("\n") if line]
    assert any(f.startswith("schedule") for f in frames) and len(frames) > 2, text
    assert machine.run("/bin/busybox cat /proc/1/wchan")[1] in frames


def test_who_is_registered(machine):
    devices = machine.read_file("/proc/devices")
    assert "  1 /dev/null\n" in devices and "136 pts\n" in devices, devices
    assert machine.read_file("/proc/consoles").startswith("ttyS0 ")
