"""How far what arrives now has moved away from what is stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_vector
from index.store import Transaction
from index.tables import VECTORS

_SAMPLED = 4096  # descriptors that the mean is taken of
_MEMORY = 1024  # images after which an image counts for 1/e in the recent mean


def total_of(txn: Transaction, dim: int) -> NDArray[np.float64]:
    """Sum ``(dim,)`` of all stored descriptors; of many, what an even sample of them comes to."""
    stored, numbers = txn.count(VECTORS), txn.counters().next_sample
    some = np.unique(np.linspace(0, numbers - 1, min(numbers, _SAMPLED)).round().astype(np.int64))
    rows = [decode_vector(raw) for _, raw in txn.many(VECTORS, some.tolist())]
    return np.asarray(stored * np.mean(rows, axis=0, dtype=np.float64)) if rows else np.zeros(dim)


class Drift:
    """Compares the mean descriptor of recent images with that of all."""

    def __init__(self, total: NDArray[np.float64]) -> None:
        """Starts with no recent images.

        Args:
            total: ``(D,)`` sum of the descriptors of all stored images.
        """
        self._total = total
        self._recent = np.zeros_like(total)

    def add(self, vectors: Sequence[NDArray[np.float32]]) -> None:
        """Takes in descriptors ``(D,)`` that have just been stored."""
        if not vectors:
            return
        added = np.sum(np.asarray(vectors, np.float64), axis=0)
        self._total = self._total + added
        self._recent = self._recent * np.exp(-len(vectors) / _MEMORY) + added

    def correct(self, total: NDArray[np.float64]) -> None:
        """Takes over the sum ``(D,)`` of all stored descriptors after some were deleted."""
        self._total = total

    def value(self) -> float:
        """One minus the cosine of the two means, in [0, 2]; 0 before anything has arrived."""
        scale = float(np.linalg.norm(self._total) * np.linalg.norm(self._recent))
        return 1.0 - float(self._total @ self._recent) / scale if scale else 0.0
