"""The system as `make run` boots it: init, the shell on the console, busybox."""

import time

import vm

MACHINE = dict(shell=True, net="user")


def test_prompt_and_tools(machine):
    assert machine.sh("echo $((6 * 7)) | sed s/42/yes/")[1] == "yes\n"
    assert machine.sh("[ -e /etc/nothing ]")[0] == 1
    assert machine.sh("ls /bin | wc -l")[1].strip() > "200"


def test_init_starts_a_shell_again(machine):
    before = machine.sh("echo $$")[1]
    time.sleep(2.1 * vm.SCALE)  # init does not hurry with what ends in its first second
    machine.type("exit\n")
    machine.expect("Some things to type")
    machine.expect(vm.SHELL_PROMPT)
    assert machine.sh("echo $$")[1] != before


def test_init_buries_orphans(machine):
    machine.sh("(sleep 0.2 & exec true); (sleep 0.3 &)")
    assert machine.sh("sleep 1; ps | grep -c '[s]leep 0'")[1] == "0\n"
    assert machine.sh("grep -l 'State:.Z' /proc/[0-9]*/status")[1] == ""


def switched_off(command, says):
    with vm.Machine(shell=True, net=None, name="test_shell-off") as m:
        m.type(command + "\n")
        if says:
            m.expect(says)
        m.wait_exit(20)
        assert m.process.returncode == 0, m.tail()


def test_poweroff():
    switched_off("sleep 1000 & poweroff", r"\[init\] power off")


def test_poweroff_by_force():
    switched_off("poweroff -f", None)


def test_reboot():
    switched_off("reboot", r"\[init\] reboot")  # QEMU was told not to start again
