"""The newest vectors of a library, few enough to be compared one by one.

An index takes in a thousand vectors at once in much less time than one by one, and a query should wait for neither: it
reads those that came since the last one, and compares all that the index lacks as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.regrowth import catch_up, newer
from index.store import Store
from index.vectors import VectorIndex

LONGEST = 1024
"""Vectors from which an index takes them in."""


class Tail:
    """Vectors behind the greatest id of an index.

    Attributes:
        last: the greatest id that it was ever given, -1 for none.
    """

    def __init__(self, dim: int) -> None:
        self.last = -1
        self._ids = np.zeros(0, np.int64)
        self._rows = np.zeros((0, dim), np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def follow(self, index: VectorIndex, store: Store) -> None:
        """Takes what has been stored since, or lets the index take everything if that is too much."""
        ids, rows = newer(store, max(index.last_id, self.last), LONGEST)
        if not len(ids):
            return
        if len(self) + len(ids) < LONGEST:
            self._keep(np.concatenate([self._ids, ids]), np.concatenate([self._rows, rows]))
            return
        self._select(np.zeros(len(self), bool))
        catch_up(index, store)

    def scores(self, vector: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[int]]:
        """Inner products with a vector ``(D,)``, and ids."""
        return self._rows @ vector, self._ids.tolist()

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Leaves vectors out; ids not held are passed over."""
        self._select(~np.isin(self._ids, ids))

    def _select(self, kept: NDArray[np.bool_]) -> None:
        self._keep(self._ids[kept], self._rows[kept])

    def _keep(self, ids: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        self._ids, self._rows = ids, rows
        self.last = max(self.last, int(ids.max(initial=-1)))
