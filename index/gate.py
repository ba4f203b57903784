"""A gate that many pass together, and one alone: LMDB's map may only change while no transaction is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from ops.errors import StateError

_WAIT_S = 60.0


class Gate:
    """Shared and exclusive passage for the threads of one process; who waits to pass alone goes before others."""

    def __init__(self, wait_s: float = _WAIT_S) -> None:
        """Sets up the gate, open.

        Args:
            wait_s: how long `alone` waits for those inside to leave.
        """
        self._wait_s = wait_s
        self._changed = Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside together with others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside with nobody else.

        Raises:
            StateError: the others did not leave in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._closed = True
            empty = self._changed.wait_for(lambda: not self._inside, self._wait_s)
            if not empty:
                self._open()
                raise StateError(f"a read of the store has gone on for {self._wait_s:.0f} s; end it and try again")
        try:
            yield
        finally:
            with self._changed:
                self._open()

    def _open(self) -> None:
        self._closed = False
        self._changed.notify_all()
