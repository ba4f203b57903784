"""k-means on two levels: thousands of middles from a sample, at the cost of a few dozen."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
_ROUNDS = 8
_FOR_TOPS = 20_000  # rows that the upper level is learnt from at most


def two_levels(sample: FloatArray, count: int, *, spherical: bool) -> tuple[FloatArray, list[FloatArray]]:
    """About ``count`` middles of the rows ``(N, r)``, and the few above them; the same for the same sample.

    Args:
        sample: rows to learn from.
        count: middles wanted; there are no more than rows.
        spherical: whether rows have unit length, and middles shall have.

    Returns:
        Upper middles ``(T, r)``, and for each the middles below it.
    """
    found: tuple[FloatArray, list[FloatArray]] = finished(two_level_steps(sample, count, spherical=spherical))
    return found


def two_level_steps(
    sample: FloatArray, count: int, *, spherical: bool
) -> Generator[None, None, tuple[FloatArray, list[FloatArray]]]:
    """As `two_levels`, handing back control between short steps."""
    count = max(1, min(count, len(sample)))
    some = sample[np.linspace(0, len(sample) - 1, min(len(sample), _FOR_TOPS)).astype(np.int64)]
    tops = _means(some, max(1, int(np.sqrt(count))), spherical)
    yield
    upper = _nearest(sample, tops)
    parts: list[FloatArray] = []
    for top in range(len(tops)):
        inside = sample[upper == top]
        share = max(1, round(count * len(inside) / len(sample)))
        parts.append(_means(inside, min(share, len(inside)), spherical) if len(inside) else tops[top : top + 1])
        yield
    return tops, parts


def _means(rows: FloatArray, count: int, spherical: bool) -> FloatArray:
    if count == len(rows):
        return rows.copy()
    made: Any = faiss.Kmeans(
        rows.shape[1], count, niter=_ROUNDS, seed=1, spherical=spherical, min_points_per_centroid=1,
        max_points_per_centroid=len(rows),
    )  # fmt: skip
    made.train(np.ascontiguousarray(rows, np.float32))
    return np.asarray(made.centroids, np.float32).reshape(count, -1).copy()


def _nearest(rows: FloatArray, middles: FloatArray) -> NDArray[np.int64]:
    index: Any = faiss.IndexFlatL2(middles.shape[1])
    index.add(np.ascontiguousarray(middles))
    found: NDArray[np.int64] = index.search(np.ascontiguousarray(rows), 1)[1][:, 0]
    return found


def finished(steps: Iterator[None]) -> Any:
    """What a generator of steps returns once all are done."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value
