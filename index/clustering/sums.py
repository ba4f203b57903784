"""Sums of unit vectors by micro-cluster: all in memory, or of what is written where it is written."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from index.clustering.base import FloatArray, IntArray, Source
from index.clustering.growing import grown


class Sums(ABC):
    """Sum of each micro-cluster, by its id."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of the vectors, 0 before the first."""

    @abstractmethod
    def of(self, micros: IntArray) -> FloatArray:
        """Sums ``(M, D)``."""

    @abstractmethod
    def put(self, micro: int, total: FloatArray) -> None:
        """Sets a sum ``(D,)``."""

    @abstractmethod
    def written(self) -> None:
        """Tells that all that was put is where it is read from."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Memory of what is held, with what it has in reserve."""


class HeldSums(Sums):
    """All sums in memory."""

    def __init__(self, rows: FloatArray | None = None) -> None:
        self._rows = np.zeros((0, 0), np.float32) if rows is None else rows

    @property
    def dim(self) -> int:
        """Length of the vectors, 0 before the first."""
        return int(self._rows.shape[1])

    def of(self, micros: IntArray) -> FloatArray:
        """Sums ``(M, D)``."""
        return self._rows[micros]

    def put(self, micro: int, total: FloatArray) -> None:
        """Sets a sum ``(D,)``."""
        self._rows = grown(self._rows, micro + 1)
        self._rows[micro] = total

    def written(self) -> None:
        """Changes nothing: all of them stay."""

    def widen(self, dim: int) -> None:
        """Appends columns of zeros up to ``dim``."""
        self._rows = np.pad(self._rows, ((0, 0), (0, dim - self.dim)))

    def size_bytes(self) -> int:
        """Memory of the rows, with what they have in reserve."""
        return self._rows.nbytes


class StoredSums(Sums):
    """Sums that are read where they are written; only what was put since is held."""

    def __init__(self, dim: int, source: Source, fresh: dict[int, FloatArray] | None = None) -> None:
        """Takes over sums that are not written yet."""
        self._dim = dim
        self._source = source
        self._fresh = dict(fresh or {})

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._dim

    def of(self, micros: IntArray) -> FloatArray:
        """Sums ``(M, D)``."""
        found = np.empty((len(micros), self._dim), np.float32)
        missing = []
        for place, micro in enumerate(micros.tolist()):
            if (row := self._fresh.get(micro)) is None:
                missing.append(place)
            else:
                found[place] = row
        if missing:
            found[missing] = self._source(micros[missing])
        return found

    def put(self, micro: int, total: FloatArray) -> None:
        """Sets a sum ``(D,)``."""
        self._fresh[micro] = np.array(total, np.float32)

    def written(self) -> None:
        """Lets go of what was put."""
        self._fresh.clear()

    def size_bytes(self) -> int:
        """Memory of what is held."""
        return 4 * self._dim * len(self._fresh)
