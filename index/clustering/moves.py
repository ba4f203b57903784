"""What of a proposed regrouping is worth taking: a cluster that people know is not given up for a hair."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from index.clustering.linkage import gather
from index.records import OUTLIER

Sparse: TypeAlias = Any
"""A scipy.sparse.csr_matrix; SciPy ships no types."""
IntArray = NDArray[np.int64]

_PASSES = 8
"""Times that what was refused is looked at again, after others have moved."""


class _Atoms:
    """What an old and a proposed cluster have in common stays together; only whole atoms move."""

    def __init__(self, old: IntArray, proposed: IntArray, sums: Sparse, weights: IntArray) -> None:
        pairs, self.of = np.unique(np.stack([old, proposed]), axis=1, return_inverse=True)
        self.target = pairs[1]
        self.weights = np.bincount(self.of, weights=weights)
        self.label = np.where(pairs[0] == OUTLIER, pairs[1], pairs[0])
        self._sums = gather(sums, self.of)
        self._held: dict[int, float] = {}
        for label, weight in zip(self.label.tolist(), self.weights.tolist(), strict=True):
            self._held[label] = self._held.get(label, 0.0) + weight

    def pending(self) -> list[int]:
        return np.flatnonzero(self.label != self.target).tolist()

    def gain(self, atom: int, threshold: float) -> float:
        """How much more similar the atom is to where it would go than to what it would leave."""
        return self._mean(atom, int(self.target[atom]), threshold) - self._mean(atom, int(self.label[atom]), threshold)

    def move(self, atom: int) -> None:
        source, target = int(self.label[atom]), int(self.target[atom])
        self._held[source] -= self.weights[atom]
        self._held[target] = self._held.get(target, 0.0) + self.weights[atom]
        self.label[atom] = target

    def _mean(self, atom: int, label: int, threshold: float) -> float:
        """Mean similarity to the others of a cluster; where there are none, what a cluster needs to hold together."""
        others = self._held.get(label, 0.0) - (self.weights[atom] if self.label[atom] == label else 0.0)
        if label == OUTLIER or others < 0.5:
            return threshold
        row = slice(self._sums.indptr[atom], self._sums.indptr[atom + 1])
        here = self.label[self._sums.indices[row]] == label
        return float(self._sums.data[row][here].sum() / (self.weights[atom] * others))


def take_moves(
    old: IntArray, proposed: IntArray, sums: Sparse, weights: IntArray, threshold: float, margin: float
) -> IntArray:
    """The partition between an old and a proposed one that every move worth its unrest leads to.

    A move takes what one old and one proposed cluster have in common from the one to the other, which may be all of the
    old one (a merge) or go to a cluster of its own (a split). It is taken if its mean similarity to where it goes
    exceeds that to what it leaves by `margin`. What was in no cluster goes where it is proposed.

    Args:
        old: ``(N,)`` cluster of each item, `OUTLIER` for none.
        proposed: ``(N,)`` the same, named after the old clusters where they go on.
        sums: ``(N, N)`` similarities times weights, between items.
        weights: ``(N,)`` vectors each item stands for.
        threshold: mean similarity that holds a cluster together.
        margin: what a move has to gain.

    Returns:
        ``(N,)`` cluster of each item.
    """
    atoms = _Atoms(old, proposed, sums, weights)
    for _ in range(_PASSES):
        gains = [(-atoms.gain(atom, threshold), atom) for atom in atoms.pending()]
        moved = False
        for _, atom in sorted(gains):
            if atoms.gain(atom, threshold) > margin:
                atoms.move(atom)
                moved = True
        if not moved:
            break
    return np.asarray(atoms.label[atoms.of], np.int64)
