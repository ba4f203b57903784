"""Average linkage of sparse profiles.

The mean similarity over all pairs of two groups is a sum over the pairs that are similar at all, and average linkage
is reducible: groups that are each other's nearest neighbour can be merged in any order (Murtagh, "A survey of
recent advances in hierarchical clustering algorithms", The Computer Journal 26(4), 1983, section 4). So each
round merges all reciprocal nearest neighbours at once, and the result is that of one merge at a time.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_matrix

_TRACE = 0.02
"""Similarities below this are left out: they are many, and hold no cluster together."""

Sparse: TypeAlias = Any
"""A scipy.sparse.csr_matrix; SciPy ships no types."""
IntArray = NDArray[np.int64]


class _Groups:
    """Groups under agglomeration, and the sums of similarities over the pairs between two of them."""

    def __init__(self, sums: Sparse, weights: NDArray[np.float64]) -> None:
        self.weights = weights
        self.of = np.arange(len(weights))
        self._sums = sums

    def reciprocal(self, threshold: float) -> tuple[IntArray, IntArray]:
        """Pairs of groups nearest to each other and at least `threshold` similar on average."""
        pairs = self._sums.tocoo()  # by row and then by column
        mean = pairs.data / (self.weights[pairs.row] * self.weights[pairs.col])
        first = _first_greatest(mean, np.flatnonzero(np.diff(pairs.row, prepend=-1)))
        first = first[mean[first] >= threshold]
        near, other = pairs.row[first].astype(np.int64), pairs.col[first].astype(np.int64)
        choice = np.full(len(self.weights), -1)
        choice[near] = other
        mutual = (choice[other] == near) & (near < other)
        if len(near) and not mutual.any():  # ties can point in a circle: break it at the most similar pair
            best = first[mean[first].argmax()]
            pair = sorted((int(pairs.row[best]), int(pairs.col[best])))
            return np.array(pair[:1]), np.array(pair[1:])
        return near[mutual], other[mutual]

    def merge(self, low: IntArray, high: IntArray) -> None:
        """Merges disjoint pairs of groups."""
        target = np.arange(len(self.weights))
        target[high] = low
        target = np.unique(target, return_inverse=True)[1]
        self.of = target[self.of]
        self.weights = np.bincount(target, weights=self.weights).astype(np.float64)
        self._sums = gather(self._sums, target)


def _first_greatest(values: NDArray[np.float64], starts: IntArray) -> IntArray:
    """Of each stretch of values, which begin at ``starts``, the place of the first that is as great as any of it."""
    if not len(starts):
        return starts
    greatest = np.repeat(np.maximum.reduceat(values, starts), np.diff(starts, append=len(values)))
    places = np.flatnonzero(values == greatest)
    return places[np.searchsorted(places, starts)]


def weighted_sums(profiles: Sparse, weights: IntArray) -> Sparse:
    """Similarities of profiles times weights ``(N, N)``, between items and without traces.

    Args:
        profiles: ``(N, P)`` unit rows.
        weights: ``(N,)`` how many vectors each stands for.
    """
    similarity = csr_matrix(profiles @ profiles.T)
    similarity.data[np.abs(similarity.data) < _TRACE] = 0
    similarity.eliminate_zeros()
    heavy = sparse.diags(weights.astype(np.float64))
    return _between(csr_matrix(heavy @ similarity @ heavy))


def average_linkage(sums: Sparse, weights: IntArray, threshold: float) -> IntArray:
    """Groups items by average linkage, cut where the mean similarity of two groups falls below `threshold`.

    Args:
        sums: ``(N, N)`` of `weighted_sums`; what is not stored is 0.
        weights: ``(N,)`` how many vectors each item stands for.
        threshold: lowest mean similarity of two groups that are still merged, above 0.

    Returns:
        ``(N,)`` group of each item, numbered by first appearance.
    """
    groups = _Groups(sums, weights.astype(np.float64))
    while len(pairs := groups.reciprocal(threshold)) and len(pairs[0]):
        groups.merge(*pairs)
    return np.asarray(groups.of, np.int64)


def gather(sums: Sparse, target: IntArray) -> Sparse:
    """Sums between groups of items, without those within a group.

    Args:
        sums: ``(N, N)`` sums between items.
        target: ``(N,)`` group of each item, from 0.
    """
    pairs, size = sums.tocoo(), int(target.max(initial=-1)) + 1
    return _between(csr_matrix((pairs.data, (target[pairs.row], target[pairs.col])), shape=(size, size)))


def _between(sums: Sparse) -> Sparse:
    pairs = sums.tocoo()
    apart = pairs.row != pairs.col
    found = csr_matrix((pairs.data[apart], (pairs.row[apart], pairs.col[apart])), shape=sums.shape)
    found.sort_indices()
    return found
