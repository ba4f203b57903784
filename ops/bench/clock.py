"""What seconds of a computation are measured by."""

from __future__ import annotations

import time
from collections.abc import Callable


def clock_of(device: str) -> Callable[[], float]:
    """A clock in seconds: the processor's where that does the work, since other programs do not lengthen it."""
    return time.process_time if device == "cpu" else time.perf_counter
