"""The console as a terminal: lines, editing, Ctrl-C and Ctrl-D."""

import time

import pytest

MACHINE = dict(append="init.run=", net=None)


def started(machine, command):
    """Runs it in the foreground, and comes back when it can be typed to."""
    machine.prompt()
    machine.type(command + "\n")
    machine.expect(command + r"\n")
    time.sleep(0.5)


def test_what_is_typed_is_echoed(machine):
    start = machine.pos
    machine.run("cat /proc/uptime")
    assert "cat /proc/uptime\n" in machine.console[start:]


def test_a_line_comes_as_a_whole(machine):
    started(machine, "cat")
    machine.type("one two")
    time.sleep(0.5)
    assert machine.console[machine.pos:] == "one two", "the echo alone, nothing read yet"
    machine.type("\n")
    machine.expect(r"^one two\none two\n")
    machine.type("\x04")
    assert machine.expect(r"\[init\] exit (\d+)")[1] == "0"


def test_several_lines_at_once(machine):
    started(machine, "cat")
    machine.type("a\nb\nc\n")
    machine.expect(r"(?s)a.*b.*c\n")
    machine.type("\x04")
    machine.expect(r"\[init\] exit 0")
    assert "error" not in machine.tail(5).lower()


@pytest.mark.parametrize("erase", ["\x7f", "\x15"], ids=["DEL", "Ctrl-U"])
def test_erase(machine, erase):
    started(machine, "cat")
    machine.type("x" * 3 + erase * (3 if erase == "\x7f" else 1) + "kept\n")
    machine.expect(r"^kept\n")
    machine.type("\x04")
    machine.expect(r"\[init\] exit 0")


def test_ctrl_d_after_text_ends_the_read_only(machine):
    started(machine, "cat")
    machine.type("half\x04")
    machine.expect(r"halfhalf")  # the echo, and cat's copy without a newline
    machine.type(" a line\n")
    machine.expect(r" a line\n a line\n")
    machine.type("\x04")
    machine.expect(r"\[init\] exit 0")


def test_ctrl_c_kills_the_foreground(machine):
    started(machine, "sleep 1000")
    machine.type("\x03")
    assert machine.expect(r"\[init\] killed by signal (\d+)", 10)[1] == "2"
    assert machine.run("cat /proc/uptime")[0] == 0


def test_ctrl_c_spares_the_background(machine):
    pid = machine.spawn("sleep 1000")
    started(machine, "sleep 1000")
    machine.type("\x03")
    machine.expect(r"\[init\] killed by signal 2", 10)
    machine.type("\x03")  # and at the prompt it only throws the line away
    assert str(pid) in machine.run("ps")[1].split()
    machine.kill(pid)


def test_background_program_reports_its_end(machine):
    pid = machine.spawn("sleep 0.3")
    machine.expect(rf"\[init\] sleep \(pid {pid}\) exited with status 0", 10)


def test_program_that_is_not_there(machine):
    status, text = machine.run("no-such-program")
    assert status == 127
    assert "No such file or directory" in text
