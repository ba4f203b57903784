"""Memory that is free goes back to the system."""

from __future__ import annotations

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
