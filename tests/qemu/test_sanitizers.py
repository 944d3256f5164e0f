"""Each sanitizer reports the error that it is for: provoke=NAME makes one (kernel/debug/provoke.c).

Only the checked build (SAN=1) can be provoked.
"""

import os
import re

import pytest

import vm

pytestmark = pytest.mark.skipif(not vm.SAN, reason="needs the checked build, SAN=1")

SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "kernel", "debug", "provoke.c")

# name of the error -> what the report must say, in this order
ERRORS = {
    "slab_read": [r"KASAN: slab-out-of-bounds in peek", r"Read of 1 bytes",
                  r"of cache kmalloc-48, 40 bytes, allocated", r"0 bytes behind its end",
                  r"Allocated by task", r"provoke_slab_read"],
    "slab_write": [r"KASAN: slab-out-of-bounds in poke", r"Write of 1 bytes",
                   r"cache kmalloc-128, 100 bytes, allocated", r"1 bytes behind its end"],
    "slab_before": [r"KASAN: slab-out-of-bounds in poke", r"Write of 1 bytes"],
    "slab_word_over_the_end": [r"KASAN: slab-out-of-bounds in provoke_slab_word", r"Write of 8 bytes",
                               r"cache kmalloc-24, 20 bytes"],
    "slab_memset": [r"KASAN: slab-out-of-bounds in memset", r"Write of 51 bytes",
                    r"provoke_slab_memset"],
    "slab_memcpy": [r"KASAN: slab-out-of-bounds in memcpy", r"Read of 200 bytes",
                    r"cache kmalloc-128, 100 bytes", r"0 bytes behind its end"],
    "slab_use_after_free": [r"KASAN: slab-use-after-free in peek", r"Read of 1 bytes",
                            r"cache kmalloc-64, 64 bytes, free", r"8 bytes inside",
                            r"Allocated by task", r"provoke_slab_use_after_free",
                            r"Freed by task", r"provoke_slab_use_after_free"],
    "slab_double_free": [r"KASAN: double-free", r"Allocated by task", r"Freed by task",
                         r"provoke_slab_double_free"],
    "slab_invalid_free": [r"KASAN: invalid-free", r"16 bytes inside"],
    "cache_use_after_free": [r"KASAN: slab-use-after-free in poke", r"cache provoked, 48 bytes, free"],
    "copy_from_user_too_much": [r"KASAN: slab-out-of-bounds in copy_from_user", r"Write of 17 bytes"],
    "large_out_of_bounds": [r"KASAN: page-out-of-bounds in peek"],
    "page_use_after_free": [r"KASAN: page-use-after-free in poke", r"Page [0-9a-f]+"],
    "vmalloc_out_of_bounds": [r"KASAN: vmalloc-out-of-bounds in peek"],
    "wild": [r"KASAN: wild-memory access", r"ffffc93200000000", r"Kernel panic", r"poke"],
    "null": [r"KASAN: null-pointer or user-memory access", r"Kernel panic", r"peek"],
    "stack_out_of_bounds": [r"KASAN: stack-out-of-bounds in peek",
                            r"Frame of provoke_stack_out_of_bounds", r"local"],
    "stack_use_after_scope": [r"KASAN: stack-use-after-scope in peek", r"local"],
    "global_out_of_bounds": [r"KASAN: global-out-of-bounds in peek", r"Variable 'global'",
                             r"0 bytes behind its end"],
    "shift_overflow": [r"UBSAN: shift-out-of-bounds: 1 \('int'\) by 33", r"provoke_shift_overflow"],
    "shift_negative": [r"UBSAN: shift-out-of-bounds: 1 \('int'\) by -1"],
    "integer_overflow": [r"UBSAN: signed integer overflow: 2147483647 \('int'\) \+ 1"],
    "divide": [r"UBSAN: division of -2147483648 \('int'\) by -1"],
    "array_bounds": [r"UBSAN: array-index-out-of-bounds: 8 \('int'\) in 'int \[8\]'"],
    "bool_value": [r"UBSAN: invalid value 2 of '_Bool'"],
    "unreachable": [r"UBSAN: unreachable code reached"],
}


def console_of(name, append="", until=None):
    """What a machine says in which the error is made: until it is off, or has said @until."""
    m = vm.Machine(append=f"panic=poweroff init.run= provoke={name} {append}", net=None, cpus=1,
                   name="test_sanitizers")
    m.start(ready=None)
    try:
        if until:
            m.expect(until)
        else:
            m.wait_exit(30)
        return m.console
    finally:
        m.close()


@pytest.mark.parametrize("name", ERRORS)
def test_report(name):
    text = console_of(name)
    assert f"nobody has noticed {name}" not in text
    at = 0
    for words in [*ERRORS[name], r"Kernel panic" if name not in ("wild", "null") else r"Call trace"]:
        found = re.compile(words).search(text, at)
        assert found, f"no {words!r} (or not in this place) in\n{text}"
        at = found.end()


def test_ubsan_may_go_on():
    """ubsan=report: the report, and then the rest of the boot."""
    text = console_of("shift_overflow", "ubsan=report", until=vm.READY)
    assert "BUG: UBSAN: shift-out-of-bounds" in text
    assert "Kernel panic" not in text


def test_every_error_is_expected():
    with open(SOURCE, encoding="utf-8") as f:
        names = set(re.findall(r"^PROVOKE\((\w+)\)", f.read(), re.M))
    assert names == set(ERRORS)
