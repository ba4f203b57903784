"""Rows by number in one array, so that many are read at once."""

from __future__ import annotations

import numpy as np

from index.clustering.base import FloatArray, IntArray
from index.clustering.growing import NONE, grown


class Rows:
    """Rows ``(r,)`` by a number that is not negative; of those dropped the places are used again."""

    def __init__(self, rank: int) -> None:
        """No row yet of ``rank`` numbers."""
        self._rows = np.zeros((0, rank), np.float32)
        self._place = np.zeros(0, np.int64)  # of each number, `NONE` for none
        self._free: list[int] = []

    def __contains__(self, number: int) -> bool:
        return 0 <= number < len(self._place) and bool(self._place[number] != NONE)

    def numbers(self) -> list[int]:
        """The numbers that have a row, in order."""
        found: list[int] = np.flatnonzero(self._place != NONE).tolist()
        return found

    def of(self, numbers: IntArray) -> FloatArray:
        """The rows ``(N, r)`` of numbers that have one."""
        return self._rows[self._place[numbers]]

    def put(self, number: int, row: FloatArray) -> None:
        """Sets the row of a number."""
        self._place = grown(self._place, number + 1, NONE)
        if self._place[number] == NONE:
            if not self._free:
                self._grow()
            self._place[number] = self._free.pop()
        self._rows[self._place[number]] = row

    def drop(self, number: int) -> bool:
        """Forgets the row of a number; whether there was one."""
        if number not in self:
            return False
        self._free.append(int(self._place[number]))
        self._place[number] = NONE
        return True

    def _grow(self) -> None:
        old = len(self._rows)
        self._rows = grown(self._rows, old + 1)
        self._free = list(range(len(self._rows) - 1, old - 1, -1))
