"""Mean descriptors of clusters, from a bounded number of their images."""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_vector
from index.lists import list_of, walk
from index.records import ClusterRecord
from index.store import Transaction
from index.tables import CLUSTER_MICROS, CLUSTERS, MICRO_SAMPLES, VECTORS

_MICROS = 12
"""Images of a cluster that its mean is taken over, at most: one of each of so many groups that look nearly the same."""


def centroids(txn: Transaction, most: int) -> tuple[list[tuple[int, ClusterRecord]], NDArray[np.float32]]:
    """The largest clusters that are shown, with their mean descriptors.

    Those that people hid or put in quarantine are left out; so are clusters without a descriptor.

    Args:
        txn: what is read.
        most: clusters at most.

    Returns:
        Clusters ``N``, largest first, and unit vectors ``(N, D)``; ``(0, 0)`` where there is none.
    """
    found: list[tuple[int, ClusterRecord]] = []
    means: list[NDArray[np.float32]] = []
    for _, cluster in islice(walk(txn, list_of("clusters", "size"), None, reverse=False), most):
        record = txn.get(CLUSTERS, cluster)
        if record is None or record.hidden or record.held:
            continue
        mean = mean_of(txn, cluster)
        if mean is not None:
            found.append((cluster, record))
            means.append(mean)
    return found, np.stack(means) if means else np.zeros((0, 0), np.float32)


def mean_of(txn: Transaction, cluster: int) -> NDArray[np.float32] | None:
    """Mean descriptor ``(D,)`` of a cluster, of unit length; None if it has no image."""
    vectors = _some(txn, cluster)
    if not vectors:
        return None
    mean = np.stack(vectors).mean(0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _some(txn: Transaction, cluster: int) -> list[NDArray[np.float32]]:
    vectors = []
    for key, _ in islice(txn.scan(CLUSTER_MICROS, prefix=cluster), _MICROS):
        for place, _ in islice(txn.scan(MICRO_SAMPLES, prefix=key[1]), 1):
            raw = txn.get(VECTORS, place[1])
            if raw is not None:
                vectors.append(decode_vector(raw))
    return vectors
