"""The wake-up protocol in every interleaving: spin on the models in tests/models.

Each model must hold in the configurations below, and each mutation that its head names (one barrier
or one test left out) must be found: a model that finds nothing proves nothing.
"""

import os
import re
import subprocess

import pytest

import vm

MODELS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "models"))

HOLDS = {
    "wait_event": ["", "EXCLUSIVE"],
    "epoll_wait": ["", "ET", "NESTED", "NESTED ET", "BATCH", "NESTED BATCH", "LATE", "LATE ET", "KILL",
                   "KILL ET", "MOD", "MOD ET", "NESTED MOD", "ONESHOT", "ADD", "ADD ET", "NESTED ADD",
                   "DEL", "NESTED DEL", "QUIET", "NESTED QUIET"],
}

# " *	-DNAME   (CONFIGURATION) what is left out"
MUTATION = re.compile(r"^ \*\t-D(\w+) +(?:\(([A-Z ]+)\) )?", re.M)
STEPS = 1_000_000  # of one run of the model; a longer one would be cut short, and spin says so


def mutations(model):
    """["CONFIGURATION MUTATION", ...] as the head of the model names them."""
    with open(os.path.join(MODELS, f"{model}.pml")) as f:
        head = f.read().split("*/")[0]
    return [" ".join(filter(None, [match[2], match[1]]))
            for match in MUTATION.finditer(head[head.index("Mutations"):])]


def check(model, defines, folder, optimise):
    """What spin's verifier says of one configuration."""
    def run(*command):
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=vm.limit(300))
        assert done.returncode == 0, done.stdout
        return done.stdout

    run("spin", "-a", *[f"-D{d}" for d in defines.split()], os.path.join(MODELS, f"{model}.pml"))
    run("gcc", "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
    return run("./pan", f"-m{STEPS}", "-w22")


@pytest.mark.parametrize("model,defines", [(m, d) for m, all in HOLDS.items() for d in all])
def test_holds(model, defines, tmp_path):
    said = check(model, defines, tmp_path, "-O1")
    assert re.search(r"errors: 0$", said, re.M), said
    assert "search depth too small" not in said and "Search not completed" not in said, said


@pytest.mark.parametrize("model,defines", [(m, d) for m in HOLDS for d in mutations(m)])
def test_mutation_is_found(model, defines, tmp_path):
    said = check(model, defines, tmp_path, "-O0")
    assert re.search(r"errors: [1-9]\d*$", said, re.M), said
    assert "search depth too small" not in said, said
