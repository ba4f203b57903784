"""Memory that is free and yet not the system's."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

PIECE, PIECES = 100_000, 800  # bytes; too small for glibc to map each for itself
FREED = PIECE * PIECES
needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other allocators hand memory back by themselves"
)


@contextmanager
def filled() -> Iterator[Callable[[], None]]:
    """Holds `FREED` bytes, and something above them; what is given lets go of the former."""
    held = [np.ones(PIECE, np.uint8) for _ in range(PIECES)]
    pin = ctypes.create_string_buffer(PIECE // 2)
    yield held.clear
    assert len(pin) == PIECE // 2
