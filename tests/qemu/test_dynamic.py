"""Programs that a dynamic loader puts together, musl's and glibc's, here and on Pollux."""

import os

import pytest

import host
import vm

MACHINE = dict(append="init.run=", net=None)

PROGRAMS = ["musl/pie", "musl/fixed", "glibc/pie", "glibc/fixed", "glibc/static-pie"]
LOADERS = {"musl": "/lib/ld-musl-x86_64.so.1", "glibc": "/lib64/ld-linux-x86-64.so.2"}


def same(machine, prefix, name):
    path = os.path.join(vm.BUILD, "user", "dynamic", "dynamic", name)
    status, text = host.run([*prefix, path, "one", ""], 30)
    assert "1.." in text, text
    words = " ".join([*prefix, f"/dynamic/{name}", "one", "''"])
    assert machine.run(words) == (status, text)
    return status


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_runs(machine, name):
    assert same(machine, [], name) == 0


@pytest.mark.parametrize("libc", LOADERS)
def test_loader_as_a_program(machine, libc):
    """ld.so PROGRAM: the loader is no interpreter then, and maps the program itself."""
    same(machine, [LOADERS[libc]], f"{libc}/pie")


def test_program_that_is_not_there(machine):
    status, text = machine.run(f"{LOADERS['musl']} /nowhere")
    assert status == 1 and "cannot load /nowhere" in text
