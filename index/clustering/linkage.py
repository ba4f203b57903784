"""Average linkage without a matrix of all pairs.

The mean similarity over all pairs of two groups is the dot product of their mean vectors, and average linkage
is reducible: groups that are each other's nearest neighbour can be merged in any order (Murtagh, "A survey of
recent advances in hierarchical clustering algorithms", The Computer Journal 26(4), 1983, section 4). So each
round merges all reciprocal nearest neighbours at once, and the result is that of one merge at a time.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

EXACT_LIMIT = 20_000
"""Groups up to which neighbours are searched exhaustively; beyond it through an inverted file."""


class _Groups:
    """Groups under agglomeration; slot ``i`` starts as row ``i``, a merged pair keeps the lower slot."""

    def __init__(self, rows: NDArray[np.float32], weights: NDArray[np.int64]) -> None:
        self.sums = rows.astype(np.float64) * weights[:, None]
        self.weights = weights.astype(np.float64)
        self.slot = np.arange(len(rows))
        self.alive = np.ones(len(rows), bool)
        self.neighbour = np.full(len(rows), -1)
        self.similarity = np.full(len(rows), -np.inf)

    def means(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mean vectors of the groups in `slots`."""
        return np.asarray(self.sums[slots] / self.weights[slots, None], np.float32)

    def search(self, stale: NDArray[np.int64]) -> None:
        """Finds the nearest other group of each one in `stale`."""
        slots = np.flatnonzero(self.alive)
        if len(slots) < 2:
            self.similarity[stale] = -np.inf
            return
        scores, found = _neighbours(self.means(slots), self.means(stale))
        found = np.where(found >= 0, slots[found], -1)
        scores = np.where((found == stale[:, None]) | (found < 0), -np.inf, scores)
        best = scores.argmax(axis=1)
        pick = np.arange(len(stale))
        self.neighbour[stale], self.similarity[stale] = found[pick, best], scores[pick, best]

    def merge(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
        """Merges disjoint pairs of groups; returns the groups whose nearest neighbour is no longer known."""
        self.sums[low] += self.sums[high]
        self.weights[low] += self.weights[high]
        self.alive[high] = False
        target = np.arange(len(self.slot))
        target[high] = low
        self.slot = target[self.slot]
        gone = np.zeros(len(self.alive), bool)
        gone[low] = gone[high] = True
        orphan = gone[self.neighbour] | gone
        return np.flatnonzero(orphan & self.alive)

    def reciprocal(self, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of groups nearest to each other and at least `threshold` similar."""
        near = np.flatnonzero(self.alive & (self.similarity >= threshold))
        other = self.neighbour[near]
        mutual = (self.neighbour[other] == near) & (near < other)
        if len(near) and not mutual.any():  # ties can point in a circle: break it at the most similar pair
            best = near[self.similarity[near].argmax()]
            pair = sorted((int(best), int(self.neighbour[best])))
            return np.array(pair[:1]), np.array(pair[1:])
        return near[mutual], other[mutual]


def average_linkage(rows: NDArray[np.float32], weights: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """Groups rows by average linkage, cut where the mean similarity of two groups falls below `threshold`.

    Args:
        rows: ``(N, r)`` unit vectors.
        weights: ``(N,)`` how many vectors each row stands for.
        threshold: lowest mean similarity of two groups that are still merged.

    Returns:
        ``(N,)`` group of each row, numbered by first appearance. Beyond `EXACT_LIMIT` rows the neighbours,
        and with them the groups, are approximate.
    """
    if not len(rows):
        return np.zeros(0, np.int64)
    groups = _Groups(rows, weights)
    stale = np.arange(len(rows))
    while len(stale):
        groups.search(stale)
        low, high = groups.reciprocal(threshold)
        stale = groups.merge(low, high) if len(low) else stale[:0]
    return np.asarray(np.unique(groups.slot, return_inverse=True)[1], np.int64)


def _neighbours(
    means: NDArray[np.float32], queries: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The two nearest `means` of each query by inner product (one of the two may be the query itself)."""
    dim = means.shape[1]
    index: Any = faiss.IndexFlatIP(dim)
    if len(means) > EXACT_LIMIT:
        lists = int(np.sqrt(len(means)))
        index = faiss.IndexIVFFlat(index, dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = max(8, lists // 16)
        index.train(means)
    index.add(means)
    scores, found = index.search(queries, 2)
    return scores, found
