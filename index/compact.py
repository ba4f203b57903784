"""Descriptors in a sixtieth of their memory: what a search first looks at, before it compares whole vectors.

Principal components of the descriptors, a byte each, in lists around 64 middles, of which a search goes through the
nearest 16. On 6,000 real descriptors of 1,024 numbers (furniture, ETH-80 and Caltech-101) the 150 it finds hold 98.2 %
of the 50 truly nearest and 99.9 % of the 10 nearest; going through all lists, 98.6 % and all.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

COMPONENTS = 64
LEAST_SAMPLE = 2500
"""Descriptors that are needed to find the middles."""
_LISTS, _PROBED = 64, 16


class CompactIndex:
    """Descriptors by id, kept by their main components.

    Attributes:
        dim: length of a descriptor.
    """

    def __init__(self, sample: NDArray[np.float32]) -> None:
        """Learns from a sample ``(N, D)`` of descriptors, `LEAST_SAMPLE` at least; it holds none of them yet."""
        self.dim = sample.shape[1]
        # Of unit vectors the nearest by distance are the nearest by angle, and distances survive that the mean is taken
        # out, as inner products do not.
        middles = faiss.IndexFlatL2(COMPONENTS)
        coded = faiss.IndexIVFScalarQuantizer(
            middles, COMPONENTS, _LISTS, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2
        )
        coded.nprobe = _PROBED
        inner = faiss.IndexPreTransform(faiss.PCAMatrix(self.dim, COMPONENTS), coded)
        inner.train(np.ascontiguousarray(sample, np.float32))
        self._parts = (middles, coded)  # FAISS does not keep them alive
        self._index: Any = inner

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Adds ``(N, D)`` descriptors under ``(N,)`` ids that it does not hold."""
        self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.asarray(ids, np.int64))

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Removes descriptors; ids not held are passed over."""
        self._index.remove_ids(np.asarray(ids, np.int64))

    def near(self, vector: NDArray[np.float32], count: int) -> list[int]:
        """Ids of the descriptors that seem nearest to one ``(D,)``, ``count`` at most."""
        _, found = self._index.search(np.ascontiguousarray(vector[None], np.float32), count)
        return [int(number) for number in found[0] if number >= 0]
