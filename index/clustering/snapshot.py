"""What a repair fixes until the next one: the space and what each cluster looks like in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.space import Space
from index.records import OUTLIER
from ops.errors import StateError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The outcome of a repair, against which vectors are compared until the next one.

    Keeping it fixed makes what happens between two repairs independent of the order of arrival.

    Attributes:
        space: where similarities are measured.
        ids: ``(K,)`` clusters.
        profiles: ``(K, r)`` float32, the mean of each cluster's unit vectors in the space; the dot product
            with a unit vector is its mean similarity to the members.
    """

    space: Space
    ids: IntArray
    profiles: FloatArray

    def classify(self, rows: NDArray[np.float64], threshold: float) -> tuple[IntArray, FloatArray]:
        """The best cluster of each unit row of the space, and how strongly it belongs there.

        Strength is one minus the ratio of the mean similarities to the second best and the best cluster
        (the simplified silhouette of Hruschka et al., "Evolving clusters in gene-expression data",
        Information Sciences 176, 2006, with similarities), 0 for outliers.
        """
        n = len(rows)
        if not len(self.ids):
            return np.full(n, OUTLIER, np.int64), np.zeros(n, np.float32)
        scores = rows @ self.profiles.T.astype(np.float64)
        return strongest(scores, np.broadcast_to(self.ids, scores.shape), threshold)

    def without(self, clusters: Sequence[int]) -> Snapshot:
        """The snapshot as if there were no such clusters."""
        kept = ~np.isin(self.ids, clusters)
        return Snapshot(self.space, self.ids[kept], self.profiles[kept])

    def pack(self) -> dict[str, Any]:
        """Numbers and bytes that `unpack` takes."""
        return {
            **pack_space(self.space),
            "profile_ids": np.asarray(self.ids, "<i8").tobytes(),
            "profiles": _raw(self.profiles),
        }


def strongest(scores: NDArray[np.float64], ids: NDArray[np.int64], threshold: float) -> tuple[IntArray, FloatArray]:
    """The cluster of greatest score of each row, the first of equals, and how strongly the row belongs there.

    Args:
        scores: ``(N, K)`` mean similarities to clusters, K at least 1; used up.
        ids: ``(N, K)`` which clusters these are.
        threshold: score from which a row belongs to a cluster at all.
    """
    order = np.arange(len(scores))
    best = scores.argmax(axis=1)
    top = scores[order, best]
    scores[order, best] = -np.inf
    second = np.maximum(scores.max(axis=1), 0.0)
    inside = top >= threshold
    strength = np.where(inside, np.clip(1.0 - second / np.maximum(top, 1e-9), 0.0, 1.0), 0.0)
    return np.where(inside, ids[order, best], OUTLIER), strength.astype(np.float32)


def make_snapshot(space: Space, rows: NDArray[np.float64], counts: IntArray, clusters: IntArray) -> Snapshot:
    """Averages the ``(M, r)`` rows of micro-clusters over each cluster."""
    ids, slot = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(ids), rows.shape[1]))
    np.add.at(sums, slot, rows * counts[:, None])
    means = sums / np.bincount(slot, weights=counts)[:, None]
    real = ids != OUTLIER
    return Snapshot(space, ids[real].astype(np.int64), means[real].astype(np.float32))


def unpack(packed: Mapping[str, Any]) -> Snapshot:
    """The snapshot that `Snapshot.pack` wrote.

    Raises:
        StateError: a part is missing or of the wrong size.
    """
    space = unpack_space(packed)
    try:
        ids = np.frombuffer(packed["profile_ids"], "<i8").astype(np.int64)
        profiles = _floats(packed["profiles"]).reshape(len(ids), space.projection.shape[1])
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the store's clusterer state is damaged ({error}): restore a backup") from error
    return Snapshot(space, ids, profiles)


def pack_space(space: Space) -> dict[str, Any]:
    """Numbers and bytes that `unpack_space` takes."""
    return {
        "rank": space.projection.shape[1],
        "mean": _raw(space.mean),
        "projection": _raw(space.projection),
        "chance": space.chance,
        "deviation": space.deviation,
    }


def unpack_space(packed: Mapping[str, Any]) -> Space:
    """The space that `pack_space` wrote.

    Raises:
        StateError: a part is missing or of the wrong size.
    """
    try:
        rank, mean = int(packed["rank"]), _floats(packed["mean"])
        projection = _floats(packed["projection"]).reshape(len(mean), rank)
        return Space(mean, projection, float(packed["chance"]), float(packed["deviation"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the store's clusterer state is damaged ({error}): restore a backup") from error


def _raw(values: FloatArray) -> bytes:
    return np.asarray(values, "<f4").tobytes()


def _floats(raw: bytes) -> FloatArray:
    return np.frombuffer(raw, "<f4").astype(np.float32)
