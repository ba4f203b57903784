"""Vectors that arrive together, and what each of them may join, the others of them included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.clustering.growing import NONE
from index.clustering.joining import Joiner


class Arrivals:
    """Candidates of each vector of a chunk, as if the vectors came one by one.

    The vectors are compared with all micro-clusters at once, and with each other: a micro-cluster that one of them
    opens is that vector until another joins it. Only what has been joined is compared anew.
    """

    def __init__(self, joiner: Joiner, mapped: NDArray[np.float64]) -> None:
        """Compares mapped vectors ``(N, r)`` with what the joiner holds, which stays as it is meanwhile."""
        self._joiner = joiner
        self._rows = mapped.astype(np.float32)
        self._known = joiner.propose(mapped)
        self._alike = np.tril(joiner.alike(self._rows, self._rows), -1)
        self._lone = ~self._alike.any(axis=1) & np.array([not len(known) for known in self._known], bool)
        self._opened = np.full(len(mapped), NONE, np.int64)  # by the vector of this place
        self._joined: dict[int, NDArray[np.bool_]] = {}  # micro-cluster -> vectors it is near to now

    def candidates(self, place: int) -> list[int]:
        """Micro-clusters that the vector at a place may join, once what came before it has been told."""
        found = [micro for micro, near in self._joined.items() if near[place]]
        if not self._lone[place]:
            opened = self._opened[np.flatnonzero(self._alike[place])]
            others = [*self._known[place].tolist(), *opened[opened != NONE].tolist()]
            found += [micro for micro in others if micro not in self._joined]
        return found

    def opened(self, place: int, micro: int) -> None:
        """Tells that the vector at a place has opened a micro-cluster."""
        self._opened[place] = micro

    def joined(self, micro: int) -> None:
        """Tells that a vector has joined a micro-cluster, whose sum has moved."""
        self._joined[micro] = self._joiner.alike(self._rows, self._joiner.row_of(micro)[None])[:, 0]
