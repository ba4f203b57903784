"""How well a clustering agrees with the truth, and the offline clusterings it is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


@dataclass(frozen=True, slots=True)
class PartitionScore:
    """Agreement of a partition with the truth; images in no cluster count as clusters of their own.

    Attributes:
        ari: adjusted Rand index, 0 for chance, 1 for perfect.
        nmi: normalised mutual information in [0, 1].
        purity: share of images whose cluster's majority shape is theirs; only clusters
            and the images in them are counted.
        clusters: clusters images.
        largest: share of all images in the largest cluster.
        clustered: share of all images in a cluster of two or more.
    """

    ari: float
    nmi: float
    purity: float
    clusters: int
    largest: float
    clustered: float


def score_partition(true: Sequence[Hashable], found: Sequence[int | None]) -> PartitionScore:
    """Compare cluster ids with true labels; None (or -1) marks an image in no cluster."""
    labels = alone(found)
    truth = np.unique([str(label) for label in true], return_inverse=True)[1]
    sizes = np.bincount(labels)
    real = np.flatnonzero(sizes >= 2)
    members = int(sizes[real].sum())
    agreeing = sum(int(np.bincount(truth[labels == cluster]).max()) for cluster in real)
    return PartitionScore(
        ari=float(adjusted_rand_score(truth, labels)),
        nmi=float(normalized_mutual_info_score(truth, labels)),
        purity=agreeing / members if members else 0.0,
        clusters=len(real),
        largest=float(sizes.max() / len(labels)),
        clustered=members / len(labels),
    )


def alone(found: Sequence[int | None]) -> NDArray[np.int64]:
    """Cluster ids as ``(N,)`` small integers, with each image in no cluster in one of its own."""
    names: list[tuple[str, int]] = [
        ("cluster", label) if label is not None and label >= 0 else ("alone", index)
        for index, label in enumerate(found)
    ]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)


def majority(labels: Sequence[str]) -> str:
    """The most frequent label; of equally frequent ones the first in the alphabet."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def offline_clusterings(vectors: NDArray[np.float32], clusters: int, seed: int = 0) -> dict[str, NDArray[np.int64]]:
    """Partitions ``(N,)`` of unit vectors ``(N, D)`` by offline methods that see everything at once.

    k-means and average linkage are told the true number of clusters, HDBSCAN is not; -1 marks its noise.
    """
    average = AgglomerativeClustering(clusters, metric="cosine", linkage="average")
    return {
        "k-means, true k": KMeans(clusters, n_init=4, random_state=seed).fit_predict(vectors),
        "linkage, true k": average.fit_predict(vectors),
        "HDBSCAN": HDBSCAN(min_cluster_size=8, copy=True).fit_predict(vectors),
    }
