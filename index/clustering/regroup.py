"""One repair of a partition: what linkage of neighbourhoods proposes, less what is not worth its unrest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.clustering.lineage import carry_ids
from index.clustering.linkage import average_linkage, weighted_sums
from index.clustering.moves import take_moves
from index.clustering.neighbours import walk_profiles
from index.records import OUTLIER

IntArray = NDArray[np.int64]


def regroup(
    rows: NDArray[np.float64], counts: IntArray, old: IntArray, floor: float, link: float, margin: float, min_size: int
) -> IntArray:
    """Groups micro-clusters by average linkage of their neighbourhoods.

    Args:
        rows: ``(M, r)`` unit rows of the space.
        counts: ``(M,)`` vectors in each.
        old: ``(M,)`` cluster of each so far, `OUTLIER` for none.
        floor: similarity that neighbours need.
        link: mean similarity of neighbourhoods that holds a group together.
        margin: what a move from an old cluster has to gain.
        min_size: groups of fewer vectors are outliers.

    Returns:
        ``(M,)`` group of each, from 0.
    """
    if not len(rows):
        return np.zeros(0, np.int64)
    sums = weighted_sums(walk_profiles(rows.astype(np.float32), counts, floor), counts)
    groups = average_linkage(sums, counts, link)
    proposed = carry_ids(old, groups, counts, min_size, int(old.max(initial=0)) + 1)[0]
    return _separate(take_moves(old, proposed, sums, counts, link, margin))


def _separate(labels: IntArray) -> IntArray:
    """Groups from 0 of cluster ids, each outlier in one of its own."""
    names = np.where(labels == OUTLIER, -1 - np.arange(len(labels)), labels)
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)
