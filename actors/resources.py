"""What every actor process owns: its signals and its memory."""

from __future__ import annotations

import signal

import psutil

from index.heap import release_free_memory
from ops.logs import LogOptions, setup_logging


def claim_process(logs: LogOptions) -> None:
    """Prepares an actor's process: logs as the daemon's, and no reaction to a terminal's Ctrl-C.

    What it logs goes to its standard error, a file in Ray's session folder. The daemon drains the stream on Ctrl-C; a
    signal that also reached the actors would kill what it drains.
    """
    setup_logging(logs)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def resident_bytes() -> int:
    """Resident memory of this process, once it has handed back what it keeps of freed memory.

    Whoever asks now and then keeps a process at what it needs: between batches of many sizes the allocator would keep
    more and more, since some of what is in use always lies above what is free.
    """
    release_free_memory()
    return int(psutil.Process().memory_info().rss)
