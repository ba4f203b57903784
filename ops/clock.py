"""Wall time: for telling people when something was, and for pauses that outlive a process.

A wall clock may be set back an hour or forward a year at any moment. So order comes from counters, waiting from
monotonic clocks, and a pause kept as wall time is never believed to be longer than it was made.
"""

from __future__ import annotations

import time

_shift = 0.0


def wall_time() -> float:
    """Unix time in seconds, as the machine's clock has it now."""
    return time.time() + _shift


def set_clock(seconds: float) -> None:
    """Sets the clock of this process forward or back, for tests."""
    global _shift
    _shift += seconds
