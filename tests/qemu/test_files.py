"""What only root can do with files and mounts, and what needs the machine to itself."""

MACHINE = dict(append="init.run=", net=None)


def test_mounts(machine):
    """tests/guest/mounts.c: flags, bind mounts, moving, lazy unmounting."""
    before = machine.read_file("/proc/mounts")
    status, text = machine.run("/tests/mounts", 60)
    assert status == 0 and "not ok" not in text, text
    assert machine.read_file("/proc/mounts") == before


def test_watch_limit(machine):
    """tests/guest/watch_limit.c: fs.epoll.max_user_watches."""
    limit = "/proc/sys/fs/epoll/max_user_watches"
    before = machine.read_file(limit)
    status, text = machine.run("/tests/watch_limit", 60)
    assert status == 0 and "not ok" not in text, text
    assert machine.read_file(limit) == before


def test_hostname(machine):
    """It can be written where it is read."""
    name = "/proc/sys/kernel/hostname"
    assert machine.read_file(name).strip() == "pollux"
    assert machine.run("/bin/busybox hostname castor")[0] == 0
    assert machine.read_file(name).strip() == "castor"
    assert machine.run("/bin/busybox sysctl -w kernel.hostname=pollux")[0] == 0
    assert machine.run("/bin/busybox hostname") == (0, "pollux\n")
