"""What every actor process owns: its signals and its memory."""

from __future__ import annotations

import signal

import psutil


def claim_process() -> None:
    """Prepares an actor's process: no reaction to a terminal's Ctrl-C.

    The daemon drains the stream on Ctrl-C; a signal that also reached the actors would kill what it drains.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process().memory_info().rss)
