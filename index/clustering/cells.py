"""Coarse cells of the space: where to look instead of everywhere, once there is too much of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.celled import CelledRows
from index.clustering.growing import NONE
from index.kmeans import two_levels
from ops.errors import StateError

_BLOCK = 8192  # rows compared with the middles at once; bounds memory
MOST_NEAR = 24
"""Cells that are looked at for a vector at most."""
_SURE = 8
_COMPARED = 256  # leaves that a query is compared with, about: those below so many of the upper level


class Cells:
    """Middles in two levels, fixed once they are learnt: the cell of a row depends on the row and on them alone.

    Rows are placed as they are held, in half precision, so that it is the same whether they were just mapped or kept.
    A row goes to the nearest middle of the upper level and there to the nearest leaf; the leaves near a query are
    looked for below the nearest few of the upper level. Both cost the square root of the number of leaves.
    """

    def __init__(self, tops: FloatArray, leaves: FloatArray, first: IntArray) -> None:
        """Takes ``(T, r)`` upper middles, ``(L, r)`` leaves and ``(T + 1,)`` where the leaves of each begin."""
        self.tops, self.leaves, self.first = tops, leaves, first
        self._tops = tops.T.astype(np.float64)
        self._probed = min(len(tops), -(-_COMPARED * len(tops) // len(leaves)))
        self._below = CelledRows(len(tops), leaves.shape[1])  # half precision is enough to propose
        self._below.put(np.arange(len(leaves)), np.repeat(np.arange(len(tops)), np.diff(first)), leaves)
        self._ranked: tuple[NDArray[np.float64], IntArray] | None = None

    def __len__(self) -> int:
        return len(self.leaves)

    def place(self, rows: NDArray[Any]) -> IntArray:
        """The cell of each row ``(N, r)``."""
        found = np.empty(len(rows), np.int64)
        for begin in range(0, len(rows), _BLOCK):
            block = np.asarray(rows[begin : begin + _BLOCK], np.float16).astype(np.float64)
            upper = (block @ self._tops).argmax(axis=1)
            below = self._below.nearest(block.astype(np.float32), upper[:, None], 1)
            found[begin : begin + _BLOCK] = below[:, 0]
        return found

    def near(self, rows: NDArray[np.float64], count: int) -> IntArray:
        """The cells ``(N, count)`` whose leaves are nearest to each row, best first; `MOST_NEAR` at most.

        `NONE` stands beyond the last. The first `_SURE` of them are put in order by sums in float64, so that rounding
        never decides which come first. The same array of rows is ranked once: vectors are compared with micro-clusters
        and with clusters.
        """
        if self._ranked is None or self._ranked[0] is not rows:
            self._ranked = rows, self._rank(rows)
        return self._ranked[1][:, :count]

    def _rank(self, rows: NDArray[np.float64]) -> IntArray:
        beyond = len(self.tops) - self._probed
        tops = np.argpartition(rows @ self._tops, beyond, axis=1)[:, beyond:]
        found = self._below.nearest(rows.astype(np.float32), np.sort(tops, axis=1), min(MOST_NEAR, len(self)))
        first = np.sort(found[:, :_SURE], axis=1)
        scores = np.einsum("nkr,nr->nk", self.leaves[first].astype(np.float64), rows)
        order = np.argsort(np.where(first == NONE, np.inf, -scores), axis=1, kind="stable")
        found[:, :_SURE] = np.take_along_axis(first, order, 1)
        return found

    def pack(self) -> dict[str, bytes]:
        """What `unpack_cells` takes."""
        return {
            "cell_tops": np.asarray(self.tops, "<f4").tobytes(),
            "cell_leaves": np.asarray(self.leaves, "<f4").tobytes(),
            "cell_first": np.asarray(self.first, "<i8").tobytes(),
        }


def unpack_cells(packed: Mapping[str, Any], rank: int) -> Cells:
    """The cells that `Cells.pack` wrote, of a space of ``rank`` dimensions.

    Raises:
        StateError: a part is missing or of the wrong size.
    """
    try:
        tops, leaves = (np.frombuffer(packed[name], "<f4").reshape(-1, rank) for name in ("cell_tops", "cell_leaves"))
        first = np.frombuffer(packed["cell_first"], "<i8").astype(np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the store's clusterer state is damaged ({error}): restore a backup") from error
    if len(first) != len(tops) + 1 or first[-1] != len(leaves):
        raise StateError("the store's clusterer state is damaged (cells do not fit each other): restore a backup")
    return Cells(tops.astype(np.float32), leaves.astype(np.float32), first)


def learn_cells(sample: FloatArray, count: int) -> Cells:
    """About ``count`` cells, learnt by k-means from a sample ``(N, r)`` of unit rows; the same for the same sample."""
    tops, parts = two_levels(sample, count, spherical=True)
    first = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Cells(tops, np.concatenate(parts), first)


def regions_of(leaves: FloatArray, weights: IntArray, limit: int, seed: int) -> IntArray:
    """Groups neighbouring cells, so that the cells of each group weigh ``limit`` or less together, if each does alone.

    A group that is too heavy is cut in two between a cell, drawn by the seed, and the one farthest from it, at the
    half of the weight; another seed draws other borders.

    Args:
        leaves: ``(L, r)`` middles of the cells.
        weights: ``(L,)`` what is in each.
        limit: of a group's weight.
        seed: of the draw.

    Returns:
        ``(L,)`` number of each cell's group, from 0 without gaps.
    """
    random = np.random.default_rng(seed)
    found = np.zeros(len(leaves), np.int64)
    pending, number = [np.arange(len(leaves))], 0
    while pending:
        group = pending.pop()
        if len(group) == 1 or weights[group].sum() <= limit:
            found[group] = number
            number += 1
            continue
        pivot = leaves[group[random.integers(len(group))]]
        far = leaves[group[(leaves[group] @ pivot).argmin()]]
        order = group[np.argsort(leaves[group] @ (pivot - far), kind="stable")]
        run = np.cumsum(weights[order])
        cut = int(np.clip(np.searchsorted(run, run[-1] / 2) + 1, 1, len(order) - 1))
        pending += [order[:cut], order[cut:]]
    return found
