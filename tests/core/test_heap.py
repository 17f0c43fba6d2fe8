"""Freed memory is kept for the next tensors, and can be given back."""

import json
import os
import subprocess
import sys

import pytest

from benchmark.core import heap

# Makes and frees four blocks of 16 MiB, as the layers of a network do. Prints the pages that the
# system had to hand out, without and with kept memory, and the resident pages at the end.
SCRIPT = """
import json, resource
from benchmark.core import heap

def faults(rounds=5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        blocks = [b"1" * 2**24 for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

faults(1)
given_back = faults()
heap.keep_freed_memory()
faults(1)
kept, full = faults(), resident()
heap.give_back_freed_memory()
print(json.dumps([given_back, kept, full - resident()]))
"""


@pytest.mark.skipif(heap._of_glibc("mallopt") is None, reason="the C library is not glibc")
def test_kept_memory_is_not_asked_for_again():
    plain = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", SCRIPT]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
    given_back, kept, freed = json.loads(run.stdout)
    pages = 4 * 2**24 // 4096
    assert given_back >= 5 * pages / 2 and kept < pages / 10
    assert freed > 0.9 * pages


def test_nothing_is_done_where_the_c_library_is_another(monkeypatch):
    monkeypatch.setattr(heap, "_of_glibc", lambda name: None)
    heap.keep_freed_memory()
    heap.give_back_freed_memory()


def test_a_function_that_the_library_does_not_have_is_none():
    assert heap._of_glibc("no_such_function") is None
