"""Handing memory back to the operating system once something large is gone."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; other allocators hand back by themselves


def release_free_memory() -> bool:
    """Hands back what glibc's allocator keeps of freed memory, wherever in its heap it lies.

    Arrays of some megabytes are freed into the heap rather than to the system, and what was allocated above them
    meanwhile keeps them there. Takes milliseconds for each gigabyte of heap.

    Returns:
        Whether there is an allocator that can.
    """
    if (trim := _trim()) is None:
        return False
    trim(0)
    return True
