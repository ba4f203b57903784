"""Memory that is free goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import psutil

from index.heap import release_free_memory
from tests.heap import FREED, filled, needs_glibc


@needs_glibc
def test_what_was_freed_below_something_that_is_in_use_is_handed_back() -> None:
    with filled() as let_go:
        full = psutil.Process().memory_full_info().uss
        let_go()
        assert release_free_memory()
        assert full - psutil.Process().memory_full_info().uss > FREED / 2


_FAULTS = """
import resource
import numpy as np
from index.heap import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults()
assert keep_freed_memory()
faults()  # the first of them makes the heap grow
print(plain, faults())
"""


@needs_glibc
def test_what_is_freed_serves_what_is_allocated_next() -> None:
    told = subprocess.run([sys.executable, "-c", _FAULTS], check=True, capture_output=True, text=True)
    plain, kept = (int(word) for word in told.stdout.split())
    assert plain > 20 * kept
