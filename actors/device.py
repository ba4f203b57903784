"""What an actor that computes owns: torch's threads and a device."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ops.errors import ReconstructionError


def claim_cores(sharers: int = 1) -> None:
    """On the CPU torch gets all cores, or its part of them, for what the calling thread computes."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // sharers))


def claim_device(wanted: str) -> str:
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
