"""What an actor process owns: its threads, its device and its memory."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from ops.errors import ReconstructionError


def claim_process(threads: int = 0) -> None:
    """Prepares an actor's process: all cores for torch, and no reaction to a terminal's Ctrl-C.

    The daemon drains the stream on Ctrl-C; a signal that also reached the actors would kill what it drains.
    """
    torch.set_num_threads(threads or max(1, os.cpu_count() or 1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def pick_device(wanted: str) -> str:
    """The torch device for ``auto`` or a name."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def releasing_memory() -> Iterator[None]:
    """Turns running out of memory, the device's or the machine's, into a failure that leaves the process usable.

    Raises:
        ReconstructionError: memory ran out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise ReconstructionError(f"out of memory: {reason}; a smaller recon.max_views needs less") from None


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)
