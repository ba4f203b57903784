"""Offline clusterings of the same vectors, with and without the truth's help."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import HDBSCAN

from index.clustering.base import unit_rows
from index.clustering.linkage import average_linkage, weighted_sums
from index.clustering.neighbours import walk_profiles
from index.clustering.space import Space, chance_level, fit_space
from ops.bench.cluster.descriptors import Described
from ops.bench.partition import PartitionScore, offline_clusterings, score_partition

Labels = NDArray[np.int64]

Z = 1.6
"""Deviations above chance at which linkage is cut without the truth's help."""

LINKS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
CUTS = 60
SIZES = (5, 12)
"""Values of each method among which the oracle chooses: mean similarities, numbers of clusters, smallest clusters."""


def rivals(described: Described, projection: NDArray[np.float32] | None) -> dict[str, PartitionScore]:
    """Scores of offline clusterings by name; the true number, best cuts and the oracle take the truth to know.

    Args:
        described: vectors and truth.
        projection: of the learnt metric, if there is one.
    """
    vectors, ones = unit_rows(described.vectors), np.ones(len(described.vectors), np.int64)
    shapes = len(np.unique(described.truth))

    def score(labels: Labels) -> PartitionScore:
        return score_partition(described.truth.tolist(), labels.tolist())

    found = {name: score(labels) for name, labels in offline_clusterings(vectors, shapes).items()}
    tree = linkage(pdist(vectors, "cosine"), "average")
    chance, deviation = chance_level(vectors.astype(np.float64), ones)
    found[f"linkage, chance + {Z} deviations"] = score(fcluster(tree, 1 - chance - Z * deviation, "distance"))
    found["linkage, best cut"] = best(_cuts(tree, len(vectors)), score)
    spaces = [fit_space(vectors, ones), fit_space(vectors, ones, projection)]
    known = [space.apply(vectors).astype(np.float32) for space in spaces if space is not None]
    chosen = best(_everything([vectors, *known], spaces[-1]), score)
    return {**found, "oracle": max(*found.values(), chosen, key=lambda one: one.ari)}


def best(partitions: Iterator[Labels], score: Callable[[Labels], PartitionScore]) -> PartitionScore:
    """The score of the partition that agrees best with the truth."""
    return max((score(labels) for labels in partitions), key=lambda one: one.ari)


def _cuts(tree: NDArray[np.float64], count: int) -> Iterator[Labels]:
    for clusters in np.unique(np.geomspace(2, max(count / 3, 3), CUTS).astype(int)):
        yield fcluster(tree, clusters, "maxclust").astype(np.int64)


def _everything(views: list[NDArray[np.float32]], space: Space | None) -> Iterator[Labels]:
    """Partitions by every method at every setting, of the vectors as they are, whitened, and in the learnt space."""
    for rows in views:
        yield from _cuts(linkage(pdist(rows, "cosine"), "average"), len(rows))
        for size in SIZES:
            yield HDBSCAN(min_cluster_size=size, copy=True).fit_predict(rows).astype(np.int64)
    if space is not None:
        ones = np.ones(len(views[-1]), np.int64)
        for floor in (space.threshold(Z), 0.25):
            sums = weighted_sums(walk_profiles(views[-1], ones, floor), ones)
            for link in LINKS:
                yield average_linkage(sums, ones, link)
