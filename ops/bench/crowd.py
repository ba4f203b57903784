"""Descriptors of a crowd of made-up pictures, any block of them from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BATCH = 64
OF_A_CLUSTER = 40
_FAMILIES, _VARIANTS = 400, 4096
_VARIANT, _SPREAD = 0.8, 0.6  # lengths beside the family's: of what sets clusters, and pictures of one, apart
_COPIES, _COPY = 0.15, 0.03  # share of pictures that nearly are one that came before, and how nearly
Vectors = NDArray[np.float32]
IntArray = NDArray[np.int64]


class Crowd:
    """Clusters of `OF_A_CLUSTER` unit descriptors on average, in families, with near-copies.

    Components fall off as one over the square root of their number, as those of descriptors do: equal ones would
    give each picture neighbours by chance alone.
    """

    def __init__(self, images: int, dim: int, seed: int = 0) -> None:
        """Of so many images, which decides the number of clusters."""
        self.clusters = max(1, images // OF_A_CLUSTER)
        self.dim = dim
        self._seed = seed
        self._scale = 1.0 / np.sqrt(1.0 + np.arange(dim))
        random = np.random.default_rng([seed, 0])
        self._families = random.normal(size=(_FAMILIES, dim)) * self._scale
        self._variants = _VARIANT * random.normal(size=(_VARIANTS, dim)) * self._scale

    def batch(self, number: int, count: int = BATCH) -> Vectors:
        """The descriptors ``(count, dim)`` of one batch; the same for the same number."""
        return self.members(number, count)[1]

    def members(self, number: int, count: int = BATCH) -> tuple[IntArray, Vectors]:
        """Clusters ``(count,)``, counted from 0, and descriptors ``(count, dim)`` of one batch."""
        random = np.random.default_rng([self._seed, 1, number])
        clusters = random.integers(0, self.clusters, count)
        vectors = self._families[clusters % _FAMILIES] + self._variants[(clusters * 7919) % _VARIANTS]
        vectors += _SPREAD * random.normal(size=vectors.shape) * self._scale
        copies = 1 + np.flatnonzero(random.random(count - 1) < _COPIES)
        for place in copies.tolist():
            noise = _COPY * random.normal(size=self.dim) * self._scale
            original = random.integers(0, place)
            clusters[place], vectors[place] = clusters[original], vectors[original] + noise
        return clusters, np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
