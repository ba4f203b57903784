"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import platform

import numpy as np
import psutil
import pytest

from index.heap import release_free_memory

PIECE, PIECES = 100_000, 800  # bytes; too small for glibc to map each for itself


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators hand memory back by themselves")
def test_what_was_freed_below_something_that_is_in_use_is_handed_back() -> None:
    held = [np.ones(PIECE, np.uint8) for _ in range(PIECES)]
    pin = ctypes.create_string_buffer(PIECE // 2)
    full = psutil.Process().memory_full_info().uss
    held.clear()
    assert release_free_memory()
    assert full - psutil.Process().memory_full_info().uss > PIECE * PIECES / 2
    assert len(pin) == PIECE // 2
