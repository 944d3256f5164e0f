"""One QEMU with Pollux in it: its console, its control socket, its network.

    with Machine() as m:
        status, text = m.run("ls /proc")
        s = m.connect(7)

Nothing here waits without a limit, and limits are stretched by POLLUX_TIMEOUT_SCALE (a slow or busy
host). A panic on the console ends every wait at once. The whole console is kept in a file.
"""

import codecs
import contextlib
import ctypes
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time

import netns

BUILD = os.environ.get("POLLUX_BUILD", os.path.abspath("build"))
CPUS = int(os.environ.get("POLLUX_CPUS", "1"))
MEM = os.environ.get("POLLUX_MEM", "256M")
ACCEL = os.environ.get("POLLUX_ACCEL", "tcg")
QEMU = os.environ.get("POLLUX_QEMU", "qemu-system-x86_64")
SAN = os.environ.get("POLLUX_SAN") == "1"  # is this the checked build?
SCALE = float(os.environ.get("POLLUX_TIMEOUT_SCALE", "1"))

READY = r"\[init\] ready"
AGENT = "init=/tests/agent"  # process 1 where no shell is asked for
SHELL_PROMPT = r"^\S* # "
PANIC = re.compile(r"^.*(?:\bpanic: |Kernel panic).*$", re.MULTILINE | re.IGNORECASE)
# What the checked build says of leaks (kernel/debug/leak.c) and of tasks and CPUs that do not get on.
LEFT = re.compile(r"^.*(?:\bleak: |BUG: hung task|BUG: soft lockup).*$", re.MULTILINE)
# What the kernel says of its own accord, amid a program's output: "[    1.234567] ..."
KERNEL_LINE = re.compile(r"^\[ *\d+\.\d+\] .*\n?", re.MULTILINE)
INIT_LINE = re.compile(r"^\[init\] \S+ \(pid \d+\) .*\n?", re.MULTILINE)


class MachineError(AssertionError):
    """The machine did not do what was waited for; the text ends with its last words."""


def limit(seconds):
    """A limit in seconds, stretched for this host."""
    return seconds * SCALE


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _free_ports(count):
    """Ports that are free now. Somebody may take one before QEMU does, which then says so."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in socks:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in socks]


class Qmp:
    """QEMU's control protocol: one command at a time, events are dropped."""

    def __init__(self, path, alive):
        deadline = time.monotonic() + limit(20)
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline or not alive():
                    raise
                time.sleep(0.02)
        self.sock.settimeout(limit(30))
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **args):
        self.file.write(json.dumps({"execute": command, "arguments": args}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise MachineError(f"QEMU closed its control socket during {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise MachineError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.sock.close()


class Machine:
    """
    boot    "kernel": QEMU loads the ELF file itself, which is quick; "iso": GRUB under BIOS;
            "uefi": GRUB under UEFI. append is for the first only: an ISO carries its own line.
    shell   a shell on the console, as `make run` has it (an ISO always does). Without it process 1 is
            tests/guest/agent.c, which run(), spawn() and their like talk to
    initrd  another initramfs than that of the tests
    net     "user", "tap" (root), "auto": tap where it is to be had, or None
    icount  one instruction, one nanosecond of the guest's time; while it idles, time is skipped
            ("off") or passes as it does outside ("on"): QEMU's "sleep"
    kernel  another kernel than this build's
    """

    def __init__(self, append="", boot="kernel", net="auto", cpus=None, mem=None, icount=None,
                 forward=(7, 8), name="pollux", qemu_args=(), shell=False, initrd=None,
                 kernel=None):
        self.append, self.boot, self.name = append, boot, name
        self.cpus, self.mem = cpus or CPUS, mem or MEM
        self.icount, self.qemu_args = icount, list(qemu_args)
        self.net = ("tap" if netns.available() else "user") if net == "auto" else net
        if boot != "kernel" and self.net == "tap":
            self.net = "user"  # the address of a tap is given on the command line
        self.ports = dict(zip(forward, _free_ports(len(forward))))
        self.shell = shell or boot != "kernel"
        self.initrd = initrd or os.path.join(BUILD, "initramfs-tests.cpio")
        self.kernel = kernel or os.path.join(BUILD, "pollux.elf")
        self.network = None
        self.process = self.qmp = None
        self.console, self.pos, self.eof = "", 0, False
        self.changed = threading.Condition()

    # ---- life ----

    def start(self, ready=READY, timeout=60):
        """Boots, and waits for the console to say @ready (None: does not wait)."""
        if self.shell and ready == READY:
            ready = SHELL_PROMPT
        self.dir = tempfile.TemporaryDirectory(prefix="pollux-")
        if self.net == "tap":
            self.network = netns.Network()
        os.makedirs(os.path.join(BUILD, "console"), exist_ok=True)
        self.log_path = os.path.join(BUILD, "console", f"{self.name}.log")
        command = self._command()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0, preexec_fn=_die_with_parent)
        threading.Thread(target=self._read_console, daemon=True).start()
        try:
            self.qmp = Qmp(self._qmp_path(), lambda: self.process.poll() is None)
            if ready:
                self.expect(ready, timeout * (4 if self.boot == "uefi" else 1))
            if ready == READY:
                self.prompt()
            if ready in (READY, SHELL_PROMPT):
                self._await_services(timeout)
        except Exception:
            self.close()
            raise
        return self

    def _await_services(self, timeout):
        """What init starts unless told otherwise says so a little later, amid what we would type."""
        if "init.run=" in self.append:
            return
        pos = self.pos
        for server in ("echo-epoll: port", "echo-blocking: port"):
            self.pos = 0
            self.expect(server + r".*\n", timeout)
            pos = max(pos, self.pos)
        self.pos = pos

    def _qmp_path(self):
        return os.path.join(self.dir.name, "qmp")

    def _command(self):
        accel = "tcg" if self.icount else ACCEL
        cmd = [QEMU, "-M", "pc", "-accel", accel,
               "-cpu", "host" if accel == "kvm" else "max", "-m", str(self.mem),
               "-smp", str(self.cpus), "-no-reboot", "-display", "none", "-monitor", "none",
               "-serial", "stdio", "-qmp", f"unix:{self._qmp_path()},server=on,wait=off"]
        append = self.append + (" leakcheck=1" if SAN else "")
        if not self.shell:
            append += " " + AGENT
        if self.net == "user":
            rules = "".join(f",hostfwd=tcp:127.0.0.1:{h}-:{g}" for g, h in self.ports.items())
            cmd += ["-netdev", "user,id=n0" + rules]
        elif self.net == "tap":
            n = self.network
            cmd += ["-netdev", f"tap,id=n0,ifname={n.tap},script=no,downscript=no"]
            append += f" ip={n.guest}::{n.host}:{n.netmask}"
        if self.net:
            cmd += ["-device", "e1000,id=nic0,netdev=n0,romfile="]
        else:
            cmd += ["-nic", "none"]
        if self.boot == "kernel":
            cmd += ["-kernel", self.kernel, "-initrd", self.initrd, "-append", append.strip()]
        else:
            cmd += ["-boot", "d", "-cdrom", os.path.join(BUILD, "pollux.iso")]
        if self.boot == "uefi":
            cmd += ["-bios", "/usr/share/ovmf/OVMF.fd"]
        if self.icount:
            cmd += ["-icount", f"shift=0,sleep={self.icount}"]
        cmd += self.qemu_args
        return self.network.command(*cmd) if self.network else cmd

    @property
    def alive(self):
        return (self.process is not None and self.process.poll() is None
                and not PANIC.search(self.console))

    def leak_check(self):
        """Powers the checked build off, which ends all processes and names what they leave behind."""
        if not SAN or self.boot != "kernel" or not self.alive:
            return
        self.type("poweroff\n")
        self.expect(r"leakcheck: .*\n", 60)
        found = LEFT.findall(self.console)
        if found:
            raise MachineError("at power-off:\n" + "\n".join(found))

    def close(self):
        """Ends QEMU and removes what it used. May be called twice."""
        if self.process:
            self.process.kill()
            self.process.wait(timeout=30)
            with self.changed:
                self.changed.wait_for(lambda: self.eof, timeout=5)
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None
        if self.qmp:
            self.qmp.close()
            self.qmp = None
        if self.network:
            self.network.close()
            self.network = None
        if hasattr(self, "dir"):
            self.dir.cleanup()

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *exc):
        self.close()

    def wait_exit(self, timeout=60):
        """Waits for QEMU to end by itself (the guest powered off)."""
        try:
            self.process.wait(timeout=limit(timeout))
        except subprocess.TimeoutExpired:
            raise MachineError(f"still running after {limit(timeout):.0f} s\n{self.tail()}") from None
        with self.changed:
            self.changed.wait_for(lambda: self.eof, timeout=5)

    # ---- console ----

    def _read_console(self):
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        with open(self.log_path, "a") as log:
            log.write(f"==== {shlex.join(self.process.args)}\n")
            fd = self.process.stdout.fileno()
            while True:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    data = b""
                text = decode(data, not data).replace("\r", "")
                log.write(text)
                log.flush()
                with self.changed:
                    self.console += text
                    self.eof = not data
                    self.changed.notify_all()
                if not data:
                    return

    def tail(self, lines=40):
        """The last words of the console."""
        return "\n".join(["---- console:"] + self.console.splitlines()[-lines:])

    def expect(self, pattern, timeout=30):
        """Waits until the console, from where the last match ended, matches; returns the match."""
        regex = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + limit(timeout)
        with self.changed:
            while True:
                match = regex.search(self.console, self.pos)
                if match:
                    self.pos = match.end()
                    return match
                if PANIC.search(self.console, self.pos):
                    self.changed.wait_for(lambda: self.eof, timeout=2)  # let the backtrace come
                    raise MachineError(f"the kernel panicked\n{self.tail(60)}")
                if self.eof:
                    raise MachineError(f"QEMU ended before {pattern!r}\n{self.tail()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MachineError(f"no {pattern!r} within {limit(timeout):.0f} s\n{self.tail()}")
                self.changed.wait(min(left, 1))

    def prompt(self, timeout=30):
        """Waits for init's prompt, and leaves it to the next expect()."""
        pos = self.pos
        self.expect(r"\$ ", timeout)
        self.pos = pos

    def type(self, text):
        """Types on the console. Before the prompt, the echo would land amid other words."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def sh(self, command, timeout=60):
        """Runs a line in the shell: (exit status, text). Keep it shorter than the terminal is wide."""
        start = self.pos
        self.type(command + '; echo "[sh] $?"\n')
        match = self.expect(r"\[sh\] (\d+)\n", timeout)
        text = self.console[start:match.start()].partition('"[sh] $?"\n')[2]
        self.expect(SHELL_PROMPT)
        return int(match[1]), KERNEL_LINE.sub("", text)

    def run(self, command, timeout=60):
        """Runs a program in the foreground: (exit status, or minus the signal; text)."""
        if self.shell:
            return self.sh(command, timeout)
        start = self.pos
        self.type(command + "\n")
        match = self.expect(r"\[init\] (exit|killed by signal) (\d+)\n", timeout)
        self.prompt()
        text = self.console[start:match.start()]
        echo = text.find(command + "\n")  # the terminal's echo of what we typed
        if echo >= 0:
            text = text[echo + len(command) + 1:]
        text = INIT_LINE.sub("", KERNEL_LINE.sub("", text))
        code = int(match[2])
        return (code if match[1] == "exit" else -code), text

    def read_file(self, path):
        """The text of a file in the guest."""
        status, text = self.run(f"cat {path}")
        if status:
            raise MachineError(f"cat {path}: status {status}\n{text}")
        return text

    def spawn(self, command, says=None):
        """Starts a program in the background; its pid. It may say something, and that before init."""
        start = self.pos
        self.type(command + " &\n")
        name = re.escape(command.split()[0])
        pid = int(self.expect(rf"\[init\] {name} \(pid (\d+)\) started\n", 20)[1])
        self.prompt()
        if says:
            started, self.pos = self.pos, start
            self.expect(says, 20)
            self.pos = max(self.pos, started)
        return pid

    def pid_of(self, name):
        """The pid of the program of that name that was started last."""
        found = re.findall(rf"\[init\] {re.escape(name)} \(pid (\d+)\) started", self.console)
        if not found:
            raise MachineError(f"{name} was never started\n{self.tail()}")
        return int(found[-1])

    def kill(self, pid):
        """SIGKILL, and waits until init has buried it."""
        self.run(f"kill -9 {pid}")
        words = f"(pid {pid}) killed by signal 9"
        with self.changed:
            if not self.changed.wait_for(lambda: words in self.console, limit(20)):
                raise MachineError(f"{pid} was killed and did not die\n{self.tail()}")

    # ---- network ----

    @property
    def many(self):
        """May many connections be opened at once?"""
        return self.net == "tap"

    def connect(self, port=7, timeout=30, rcvbuf=None):
        """A TCP connection to a port of the guest."""
        inside = self.network.inside() if self.network else contextlib.nullcontext()
        with inside:
            s = socket.socket()
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(limit(timeout))
        s.connect((self.network.guest, port) if self.network else ("127.0.0.1", self.ports[port]))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def instructions(self):
        """How many it has executed, with icount: exact while it idles."""
        return self.qmp("query-replay")["icount"]

    def link(self, up):
        """Plugs the network cable in or out."""
        self.qmp("set_link", name="nic0", up=up)

    def halted(self):
        """Is each processor in hlt at this instant?"""
        text = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
        return [flag == "1" for flag in re.findall(r"HLT=(\d)", text)]
