"""Whose time it is when a device works for several at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock


@dataclass
class Share:
    """A part of a device's time.

    Attributes:
        seconds: how long it is; 0 until it is over.
    """

    seconds: float = 0.0


class SharedTime:
    """Divides a device's time evenly among those who use it at once, so that shares add up to the time it was used."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Sets up, used by nobody.

        Args:
            now: a clock that only goes forward, in seconds.
        """
        self._now = now
        self._lock = Lock()
        self._users = 0
        self._each = 0.0  # the share of somebody who had used it all along
        self._at = now()

    @contextmanager
    def using(self) -> Iterator[Share]:
        """Uses the device; what is yielded tells the share once that is over, well or not."""
        share = Share()
        began = self._changed(1)
        try:
            yield share
        finally:
            share.seconds = self._changed(-1) - began

    def _changed(self, users: int) -> float:
        with self._lock:
            now = self._now()
            self._each += (now - self._at) / max(self._users, 1)
            self._at = now
            self._users += users
            return self._each
