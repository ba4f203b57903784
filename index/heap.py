"""What becomes of freed memory: kept for the next arrays while something computes, handed back once it is done."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of `mallopt` (glibc, malloc.h)
_NEVER = 2**31 - 1


@cache
def _glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)  # other allocators have no such function and do it by themselves


def keep_freed_memory() -> bool:
    """Has glibc's allocator keep what is freed for what is allocated next, until it is told to release it.

    Otherwise each array of more than some megabytes is mapped anew, and the system fills it with zeros page by page:
    nearly half of the time of a search for cameras, whose arrays live for one product. For processes that compute;
    to be called before they have threads.

    Returns:
        Whether there is an allocator that can.
    """
    if (mallopt := _glibc("mallopt")) is None:
        return False
    wanted = {
        _MMAP_MAX: 0,
        _TRIM_THRESHOLD: _NEVER,
        _ARENA_MAX: 1,
    }  # other threads' arenas would be unmapped all the same
    return all([mallopt(name, value) for name, value in wanted.items()])


def release_free_memory() -> bool:
    """Hands back what glibc's allocator keeps of freed memory, wherever in its heap it lies.

    Arrays of some megabytes are freed into the heap rather than to the system, and what was allocated above them
    meanwhile keeps them there. Takes milliseconds for each gigabyte of heap.

    Returns:
        Whether there is an allocator that can.
    """
    if (trim := _glibc("malloc_trim")) is None:
        return False
    trim(0)
    return True
