"""Waiting for a full or failing disk: the stream pauses, and goes on by itself once there is space again."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from actors.answers import get
from daemon.telemetry import Telemetry
from ops.errors import StorageError
from ops.logs import get_logger

_log = get_logger("store")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0


class StorageWait:
    """Calls the writer, again and again while its disk can't take what it writes."""

    def __init__(self, telemetry: Telemetry, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Sets up without waiting.

        Args:
            telemetry: is told how long was waited and why.
            limit_s: seconds to wait before giving up.
            clock: a clock that never goes back.
        """
        self._telemetry = telemetry
        self._limit_s = limit_s
        self._clock = clock
        self._given_up = Event()

    def stop(self) -> None:
        """Ends waiting, now and from now on."""
        self._given_up.set()

    def call(self, start: Callable[[], Any]) -> Any:
        """The result of an actor's method that writes.

        Args:
            start: calls the method and returns the reference of its result; a call that failed changed nothing.

        Raises:
            StorageError: there was no space for longer than the limit, or `stop` was called.
        """
        began, pause = self._clock(), _FIRST_PAUSE_S
        waited = False
        while True:
            try:
                result = get(start())
            except StorageError as error:
                if self._given_up.is_set() or self._clock() - began >= self._limit_s:
                    raise
                if not waited:
                    _log.error("%s; waiting up to %.0f s", error, self._limit_s)
                waited = True
                self._pause(error.cause, pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                if waited:
                    _log.info("the disk takes writes again; going on after %.0f s", self._clock() - began)
                return result

    def _pause(self, cause: str, seconds: float) -> None:
        began = self._clock()
        self._given_up.wait(seconds)
        self._telemetry.held_back(cause, self._clock() - began)
