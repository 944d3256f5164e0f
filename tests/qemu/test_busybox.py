"""Programs that nobody here wrote: busybox's shell and tools, the same file on the host and in the
guest, must do the same; and its web server and client talk to the host's."""

import difflib
import functools
import http.server
import hashlib
import os
import subprocess
import threading

import pytest

import host
import vm
from streams import pattern

MACHINE = dict(append="init.run=", net="user", forward=(80,))

BUSYBOX = os.path.join(vm.BUILD, "user", "busybox", "bin", "busybox")
SCRIPTS = os.path.join(os.path.dirname(__file__), "..", "root", "tests")


@pytest.mark.parametrize("script", ["lang.sh", "tree.sh"])
def test_script_as_on_the_host(machine, script, tmp_path):
    code, expected = host.run([BUSYBOX, "sh", os.path.join(SCRIPTS, script)], 60, cwd=tmp_path,
                              env=dict(PATH="/bin:/usr/bin"))
    folder = f"/tmp/{script}.d"
    machine.run(f"mkdir {folder}")
    status, text = machine.run(f"sh -c 'cd {folder} && exec sh /tests/{script}'", 180)
    machine.run(f"rm -r {folder}")
    diff = "\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(),
                                          "Linux", "Pollux", lineterm="", n=1))
    assert not diff, diff
    assert status == code


def curl(machine, path, *options):
    done = subprocess.run(["curl", "-sS", "-m", str(vm.limit(60)), *options,
                           f"127.0.0.1:{machine.ports[80]}/{path}"], capture_output=True)
    assert done.returncode == 0, f"{done.stderr}\n{machine.tail()}"
    return done.stdout


def test_httpd_answers_curl(machine):
    machine.run("sh -c 'seq 1 300000 >/www/large'")
    pid = machine.spawn("httpd -f -p 80 -h /www")
    assert curl(machine, "") == b"It works\n"
    large = b"".join(b"%d\n" % n for n in range(1, 300001))
    assert curl(machine, "large") == large
    assert curl(machine, "large", "-r", "1000000-1000099") == large[1000000:1000100]
    assert curl(machine, "cgi-bin/ask?this") == b"you asked for this\n"
    assert b"404" in curl(machine, "nothing", "-i")
    machine.kill(pid)
    machine.run("rm /www/large")


def test_wget_fetches_from_the_host(machine, tmp_path):
    machine.run("sh -c 'until route | grep -q default; do sleep 0.1; done'")
    data = pattern(3 << 20, "wget")
    (tmp_path / "file").write_bytes(data)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"10.0.2.2:{server.server_port}"
            status, text = machine.run(f"wget -q -O /tmp/fetched {url}/file")
            assert status == 0, text
            assert machine.run(f"wget -q -O /dev/null {url}/nothing")[0] == 1
        finally:
            server.shutdown()
            thread.join()
    digest = machine.run("sha256sum /tmp/fetched")[1].split()[0]
    assert digest == hashlib.sha256(data).hexdigest()
    machine.run("rm /tmp/fetched")
