"""The space in which similarities are compared: centred, whitened and calibrated against chance.

Descriptors of a network are anisotropic: random pairs have a cosine far from 0, and few directions dominate,
so that no threshold on the cosine carries over from one kind of images to another. After whitening (as in
Jegou & Chum, "Negative evidences and co-occurences in image retrieval", ECCV 2012) random pairs are
uncorrelated, and similarities can be counted in deviations of unrelated pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

MAX_RANK = 128
SHRINKAGE = 0.1  # share of the largest eigenvalue that is added to all, against amplified noise
VECTORS_PER_DIMENSION = 4  # fewer make the whitened directions noise
SAMPLE = 1500  # vectors whose pairs tell the level of chance: a million pairs
AGREEING = 0.15
"""Root of the mean square by which similarities differ in two spaces that agree, in deviations of unrelated pairs."""
_ONE_BELOW = 0.1587  # share of a Gaussian that lies more than one standard deviation below its middle


@dataclass(frozen=True, slots=True)
class Space:
    """A fitted map from ``D`` to ``r`` dimensions.

    Attributes:
        mean: ``(D,)`` float32, the centre of the descriptors.
        projection: ``(D, r)`` float32, whitening directions.
        chance: similarity of unrelated pairs in the space.
        deviation: its standard deviation.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    chance: float
    deviation: float

    def apply(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Unit vectors ``(N, r)`` of ``(N, D)`` ones, float64 so that rounding never decides a membership.

        Columns beyond ``D`` (features that appeared after the fit) are left out.
        """
        used = np.asarray(vectors[:, : len(self.mean)], np.float64)
        return _normalised((used - self.mean) @ self.projection.astype(np.float64))

    def centred(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Unit vectors ``(N, D)`` relative to the centre, not whitened."""
        return _normalised(np.asarray(vectors[:, : len(self.mean)], np.float64) - self.mean)

    def threshold(self, z: float) -> float:
        """The similarity `z` standard deviations above that of unrelated pairs."""
        return self.chance + z * self.deviation

    def agrees(self, other: Space, vectors: NDArray[Any]) -> bool:
        """Whether another space tells nearly the same of how similar vectors ``(N, D)`` are, beside what is chance."""
        some = vectors[np.linspace(0, len(vectors) - 1, min(SAMPLE, len(vectors))).astype(np.int64)]
        levels = [(rows @ rows.T - one.chance) / one.deviation for one in (self, other) for rows in [one.apply(some)]]
        return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2))) <= AGREEING


def fit_space(
    vectors: NDArray[Any], weights: NDArray[np.int64], projection: NDArray[np.float32] | None = None
) -> Space | None:
    """Fits centre, whitening and chance level to ``(N, D)`` vectors; None where they do not vary.

    Args:
        vectors: unit vectors.
        weights: ``(N,)`` how many each stands for, so that copies count as if they were kept one by one.
        projection: ``(D, r)`` to use instead of whitening directions of these vectors.
    """
    used = np.asarray(vectors, np.float64)
    share = weights / weights.sum()
    mean = share @ used
    if projection is None:
        projection = _whitening((used - mean) * np.sqrt(share)[:, None])
    if projection is None or not (np.ptp(used, axis=0) > 0).any():
        return None
    blank = Space(mean.astype(np.float32), projection, 0.0, 1.0)
    return Space(blank.mean, projection, *chance_level(blank.apply(used), weights))


def _whitening(centred: NDArray[np.float64]) -> NDArray[np.float32] | None:
    rank = min(MAX_RANK, max(len(centred) // VECTORS_PER_DIMENSION, 1))
    variances, directions = _principal(centred, rank)
    rank = int((variances > 1e-10).sum())
    if rank == 0:
        return None
    scale = 1.0 / np.sqrt(variances[:rank] + SHRINKAGE * variances[0])
    return np.asarray(directions[:, :rank] * scale, np.float32)


def chance_level(rows: NDArray[np.float64], weights: NDArray[np.int64]) -> tuple[float, float]:
    """Level and spread of the similarity of unrelated pairs, from pairs of rows taken by weight.

    Pairs of one cluster only ever fill the upper tail, the more so the fewer clusters there are. The median and
    its distance to the quantile one standard deviation below a Gaussian's hardly see them; mean and standard
    deviation over all pairs would set the bar too high for a stream of few clusters.
    """
    total = int(weights.sum())
    places = np.linspace(0, total - 1, min(SAMPLE, total)).astype(np.int64)
    some = rows[np.searchsorted(np.cumsum(weights), places, side="right")].astype(np.float32)
    similarity = some @ some.T
    pairs = np.concatenate([row[place + 1 :] for place, row in enumerate(similarity)])
    low, middle = np.quantile(pairs, [_ONE_BELOW, 0.5])
    return float(middle), float(max(middle - low, 1e-6))


def _principal(centred: NDArray[np.float64], rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest variances, in falling order, and their directions ``(D, k)``, by the smaller Gram matrix."""
    n, dim = centred.shape
    size = min(n, dim)
    top = (max(size - rank, 0), size - 1)
    if n >= dim:
        values, vectors = eigh(centred.T @ centred, subset_by_index=top)
    else:
        values, dual = eigh(centred @ centred.T, subset_by_index=top)
        vectors = centred.T @ dual / np.sqrt(np.maximum(values, 1e-12))
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _normalised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norm, 1e-12), np.float64)
