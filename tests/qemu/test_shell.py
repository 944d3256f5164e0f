"""The system as `make run` boots it: init, the shell on the console, busybox."""

import re
import time

import pytest

import vm

MACHINE = dict(shell=True, net="user")


def test_prompt_and_tools(machine):
    assert machine.sh("echo $((6 * 7)) | sed s/42/yes/")[1] == "yes\n"
    assert machine.sh("[ -e /etc/nothing ]")[0] == 1
    assert machine.sh("ls /bin | wc -l")[1].strip() > "200"


# What README.md and the greeting tell a newcomer to type, and what must be in the answer.
@pytest.mark.parametrize("command, answer", [
    ("ps", r"^ +1 root +/init\n(.*\n)* +\d+ root +/bin/echo-epoll 7\n"),
    ("top -b -n 1", r"^CPU: +\d+% usr(.*\n)*.*echo-epoll"),
    ("free", r"^Mem: +2\d{5} +\d+ +\d+"),
    ("uptime", r"up \d min.*load average: \d+\.\d\d"),
    ("df /", r"^tmpfs +\d+ +\d+ +\d+ +\d+% /$"),
    ("mount", r"^proc on /proc type proc "),
    ("ls /proc", r"\buptime\b"),
    ("ifconfig eth0", r"inet addr:10\.0\.2\.15 "),
    ("route -n", r"^0\.0\.0\.0 +10\.0\.2\.2 +0\.0\.0\.0 +UG"),
    ("netstat -tln", r"^tcp .*0\.0\.0\.0:7 .*LISTEN"),
    ("cat /proc/net/tcp", r"^ +\d+: 00000000:0007 00000000:0000 0A "),
    ("dmesg | cut -c 16-", r"^initramfs: \d+ files"),
    ("id", r"^uid=0\(root\) gid=0\(root\)"),
    ("uname -a", r"^Linux pollux 6\.1"),
    ("sysctl kernel.pid_max", r"^kernel\.pid_max = 4194304$"),
    ("cat /proc/$(pidof echo-epoll)/fdinfo/5", r"^tfd: "),
])
def test_answers(machine, command, answer):
    machine.sh("until route | grep -q default; do sleep 0.1; done")  # DHCP takes a second
    status, text = machine.sh(command)
    assert status == 0 and re.search(answer, text, re.MULTILINE), text


def started(machine, command):
    """Types a command and comes back when it has the terminal."""
    machine.type(command + "\n")
    machine.expect(re.escape(command) + r"\n")
    time.sleep(0.5 * vm.SCALE)


def test_vi(machine):
    started(machine, "vi /tmp/text")
    for keys in ("ione", "\x1b", "yypA more", "\x1b", ":wq\n"):
        machine.type(keys)
        time.sleep(0.3 * vm.SCALE)  # an escape with something behind it is another key
    machine.expect(r" # ")
    assert machine.sh("cat /tmp/text; rm /tmp/text")[1] == "one\none more\n"


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
