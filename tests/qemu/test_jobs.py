"""Job control over the serial console, with the shell that a user has: busybox's."""

import time

import pytest

import vm

MACHINE = dict(shell=True, net=None)


@pytest.fixture(autouse=True)
def nothing_left(machine):
    """Each test begins at a prompt, with no jobs; what a failed one left is the next machine's care."""
    yield
    machine.sh("kill -9 $(jobs -p) 2>/dev/null; wait 2>/dev/null")


def starts(machine, command, says):
    """Types it, and waits until it has said that it runs."""
    machine.type(command + "\n")
    machine.expect(says)


SLEEPER = "sh -c 'echo up; exec sleep 1000'"


def at_prompt(machine):
    machine.expect(vm.SHELL_PROMPT)


def becomes(machine, state):
    """The shell's only job gets there, sooner or later."""
    deadline = time.monotonic() + vm.limit(20)
    while state not in machine.sh("jobs")[1]:
        assert time.monotonic() < deadline, machine.tail()


def test_there_is_job_control(machine):
    status, text = machine.sh("echo $-; tty; true </dev/tty")
    assert "m" in text.split("\n")[0], "the shell found a terminal to control"
    assert status == 0 and "/dev/ttyS0" in text


def test_ctrl_c_ends_the_foreground(machine):
    starts(machine, SLEEPER, r"^up\n")
    machine.type("\x03")
    machine.expect(r"\^C")
    at_prompt(machine)
    assert machine.sh("echo $?")[1] == "130\n"


def test_ctrl_backslash_ends_the_foreground(machine):
    starts(machine, SLEEPER, r"^up\n")
    machine.type("\x1c")
    machine.expect(r"Quit")
    at_prompt(machine)


def test_ctrl_z_fg(machine):
    starts(machine, SLEEPER, r"^up\n")
    machine.type("\x1a")
    machine.expect(r"Stopped")
    at_prompt(machine)
    assert "Stopped" in machine.sh("jobs")[1]
    starts(machine, "fg", r"^sh -c .*\n")
    machine.type("\x03")
    at_prompt(machine)
    assert machine.sh("jobs")[1] == ""


def test_ctrl_z_bg(machine):
    starts(machine, SLEEPER, r"^up\n")
    machine.type("\x1a")
    machine.expect(r"Stopped")
    at_prompt(machine)
    machine.sh("bg")
    assert "Running" in machine.sh("jobs")[1]
    machine.type("\x03")  # the shell's line, not the job
    at_prompt(machine)
    assert "Running" in machine.sh("jobs")[1]
    machine.sh("kill %1")
    machine.sh("wait")
    assert machine.sh("jobs")[1] == ""


def test_pipeline_stops_and_goes_on(machine):
    starts(machine, "(echo up; sleep 1000) | cat | cat", r"^up\n")
    machine.type("\x1a")
    machine.expect(r"Stopped")
    at_prompt(machine)
    starts(machine, "fg", r"cat\n")
    machine.type("\x03")
    at_prompt(machine)
    assert machine.sh("pidof sleep")[1] == ""


def test_background_reader_stops(machine):
    machine.sh("cat & true")
    becomes(machine, "Stopped (tty input)")
    starts(machine, "fg", r"^cat\n")
    machine.type("to cat\n")
    machine.expect(r"to cat\nto cat\n")
    machine.type("\x04")
    at_prompt(machine)


def test_background_writer_stops_with_tostop(machine):
    machine.sh("stty tostop")
    machine.sh("echo held & true")
    becomes(machine, "Stopped (tty output)")
    machine.sh("stty -tostop")
    machine.type("fg\n")
    machine.expect(r"^held\n")
    at_prompt(machine)


def test_window_size(machine):
    machine.sh("stty rows 40 cols 132")
    assert machine.sh("stty size")[1] == "40 132\n"
    # SIGWINCH goes to the foreground: a program there that changes the size hears of it itself.
    status, text = machine.sh("sh -c 'trap \"echo changed\" WINCH; stty rows 41; :'")
    assert (status, text) == (0, "changed\n")
    machine.sh("stty rows 24 cols 80")


def test_stty(machine):
    text = machine.sh("stty -a")[1]
    for word in ("115200 baud", "intr = ^C", "susp = ^Z", "icrnl", "onlcr", "isig", "iexten"):
        assert word in text


def test_ixoff(machine):
    """Before its buffer is full the terminal asks for a pause with ^S, and ends it with ^Q."""
    machine.sh("stty -icanon -echo ixoff noflsh")
    starts(machine, "sh -c 'trap : INT; echo up; sleep 1000; head -c 7000 | wc -c'", r"^up\n")
    machine.type("." * 6500)
    machine.expect("\x13")
    machine.type("\x03" + "." * 500)  # now the sleep is over, and somebody reads
    machine.expect("\x11")
    machine.expect(r"7000\n")
    machine.type("stty sane\n")
    at_prompt(machine)


def test_flood(machine):
    """A program that writes without end: ^S holds it, ^Q lets it go on, ^C ends it at once."""
    machine.type("yes flood\n")
    machine.expect(r"(flood\n){100}")
    machine.type("\x13")
    held = -1
    while held != len(machine.console):  # what was on its way has come when nothing comes any more
        held = len(machine.console)
        time.sleep(0.5)
    machine.pos = held
    machine.type("\x11")
    machine.expect(r"(flood\n){100}")
    machine.type("\x03")
    machine.expect(r"\^C")
    at_prompt(machine)
    assert machine.sh("echo $?")[1] == "130\n"


def test_lines_of_two_programs_do_not_mix(machine):
    start = machine.pos
    machine.type("yes one-two-three-four & yes five-six-seven-eight &\n")
    for _ in range(10):
        machine.expect(r"^one-two-three-four\n")
        machine.expect(r"^five-six-seven-eight\n")
    machine.sh("kill %1 %2; wait")
    lines = machine.console[start:].split("\n")[2:]  # the first is our own, with both in it
    assert not [line for line in lines if "one" in line and "six" in line]


def test_a_second_session_finds_a_fresh_terminal(machine):
    """The shell ends in raw mode without echo: init's next one must not inherit that."""
    machine.type("stty raw -echo; kill -9 $$\n")
    machine.expect("Some things to type", 30)
    at_prompt(machine)
    assert "icanon" in machine.sh("stty -a")[1]
    assert "-echo " not in machine.sh("stty -a")[1]


def test_stdin_epoll(machine):
    starts(machine, "stdin-epoll", r"level-triggered.*\n")
    machine.type("one\n")
    machine.expect(r"event 1: EPOLLIN\n  read 4: \"one\\n\"\n")
    machine.type("a\nb\n")
    machine.expect(r"event 2: EPOLLIN\n  read 2: \"a\\n\"\n")
    machine.expect(r"event 3: EPOLLIN\n  read 2: \"b\\n\"\n")
    machine.type("text\x04")
    machine.expect(r"event 4: EPOLLIN\n  read 4: \"text\"\n")
    machine.type("\x04")
    machine.expect(r"event 5: EPOLLIN\n  read 0: \"\"\n")
    at_prompt(machine)


def test_stdin_epoll_edge(machine):
    starts(machine, "stdin-epoll -e", r"edge-triggered.*\n")
    machine.type("one\n")
    machine.expect(r"event 1: EPOLLIN\n  read 4: \"one\\n\"\n")
    machine.type("\x04")
    machine.expect(r"event 2: EPOLLIN\n  read 0: \"\"\n")
    at_prompt(machine)
