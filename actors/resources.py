"""What an actor process owns: its threads, its device and its memory."""

from __future__ import annotations

import os
import signal

import psutil
import torch


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


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)
