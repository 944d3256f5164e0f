"""Setting the clock: only in the guest, for it would be the clock of this machine."""

MACHINE = dict(append="init.run=", net=None)


def test_who_waits_for_a_time_of_day(machine):
    status, text = machine.run("/tests/clockset", 60)
    assert status == 0 and not text, text
