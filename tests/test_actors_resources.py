"""What an actor's process tells of itself."""

from __future__ import annotations

import psutil

from actors.resources import resident_bytes
from tests.heap import FREED, filled, needs_glibc


@needs_glibc
def test_a_process_that_is_asked_for_its_memory_has_handed_back_what_is_free() -> None:
    with filled() as let_go:
        full = psutil.Process().memory_info().rss
        let_go()
        assert full - resident_bytes() > FREED / 2
