"""What an actor's process tells of itself."""

from __future__ import annotations

import ctypes
import platform

import numpy as np
import psutil
import pytest

from actors.resources import resident_bytes

PIECE, PIECES = 100_000, 800  # bytes; too small for glibc to map each for itself


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators hand memory back by themselves")
def test_a_process_that_is_asked_for_its_memory_has_handed_back_what_is_free() -> None:
    held = [np.ones(PIECE, np.uint8) for _ in range(PIECES)]
    pin = ctypes.create_string_buffer(PIECE // 2)
    full = psutil.Process().memory_info().rss
    held.clear()
    assert full - resident_bytes() > PIECE * PIECES / 2
    assert len(pin) == PIECE // 2
