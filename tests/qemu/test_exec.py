"""What the console says of programs that ask for what there is not."""

MACHINE = dict(append="init.run=", net=None)


def test_missing_system_call_is_named_once(machine):
    """Each number once, with the program's name; the program sees ENOSYS, each time."""
    for _ in range(2):
        assert machine.run("/tests/nosys 431 502 431 1000") == (0, "ENOSYS\n" * 4)
    for number in (431, 502):
        line = f"]: system call {number} is not implemented"
        assert machine.console.count(line) == 1
        assert f"nosys[{machine.console.split(line)[0].rsplit('[', 1)[1]}{line}" in machine.console
