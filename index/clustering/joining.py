"""Decides which micro-cluster a vector joins: only one that holds nearly the same picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.cells import CellLists, Cells
from index.clustering.micro import MicroTable
from index.clustering.space import Space

SAME = 0.999
"""Cosine from which two vectors are one picture while there is no fitted space yet."""

_SLACK = 1e-3  # what float32 and the order of summation may do to a similarity
_BLOCK = 8192  # sums mapped at once; bounds memory
_SHORTENED = 4  # one in so many numbers of a row is looked at first
_PROBED = 6  # cells looked at, beside its own, for the micro-cluster that a vector may join


class Joiner:
    """Nearest micro-clusters in the current space.

    Rows in float32 only propose; a proposal is decided in float64 from the sums, so that it doesn't depend on
    how the stream was cut into batches or when it was interrupted.
    """

    def __init__(self, table: MicroTable, space: Space | None, threshold: float) -> None:
        self._table = table
        self._space = space
        self._threshold = threshold if space else SAME
        self._projection = space.projection.astype(np.float64) if space else np.zeros((0, 0))
        self._size = 0
        self._rows = np.zeros((0, 0), np.float32)
        for begin in range(0, len(table), _BLOCK):
            self._append(self._map(table.totals[begin : begin + _BLOCK]), len(table))

    def size_bytes(self) -> int:
        """Memory of the rows, with what they have in reserve."""
        return self._rows.nbytes

    def propose(self, mapped: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each mapped vector the micro-clusters that it may join."""
        if not self._size:
            return [np.zeros(0, np.int64) for _ in mapped]
        near = self.alike(mapped.astype(np.float32), self._rows[: self._size])
        return np.split(np.nonzero(near)[1], np.cumsum(near.sum(axis=1))[:-1])

    def alike(self, rows: FloatArray, others: FloatArray) -> NDArray[np.bool_]:
        """``(N, M)``: which rows ``(N, r)`` are so near to which others ``(M, r)`` that they may be one picture."""
        return np.asarray(rows @ others.T >= self._threshold - _SLACK)

    def row_of(self, micro: int) -> FloatArray:
        """Row ``(r,)`` of a micro-cluster as it is now, whether or not it has been taken over yet."""
        row: FloatArray = self._map(self._table.totals[micro : micro + 1])[0]
        return row

    def decide(self, vector: FloatArray, candidates: Iterable[int]) -> int:
        """The best micro-cluster for a unit vector among candidates, -1 if none is near enough."""
        scored = [(self._similarity(vector, micro), -micro) for micro in candidates if self._table.counts[micro]]
        score, older = max(scored, default=(-np.inf, 1))
        return -older if score >= self._threshold else -1

    def refresh(self, micros: Iterable[int]) -> None:
        """Takes over micro-clusters that have been opened or joined; of new ones all."""
        self._take(np.unique(np.fromiter(micros, np.int64)))

    def _take(self, ids: IntArray) -> None:
        rows, known = self._map(self._table.totals[ids]), int(np.searchsorted(ids, self._size))
        self._append(rows[known:])
        self._rows[ids[:known]] = rows[:known]

    def _similarity(self, vector: FloatArray, micro: int) -> float:
        pair = np.stack([vector, self._table.totals[micro]])
        if self._space is None:
            return _cosine(pair.astype(np.float64))
        # Few whitened dimensions can hide a difference, hence the centred descriptors have to agree too.
        unit = _unit(pair)
        return min(_cosine(self._apply(self._space, unit)), _cosine(self._space.centred(unit)))

    def _map(self, totals: FloatArray) -> FloatArray:
        unit = _unit(totals)
        return (unit if self._space is None else self._apply(self._space, unit)).astype(np.float32)

    def _apply(self, space: Space, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        # As `Space.apply`, which widens the projection anew for each vector.
        return _unit((unit[:, : len(space.mean)] - space.mean) @ self._projection)

    def _append(self, rows: FloatArray, expected: int = 0) -> None:
        needed = self._size + len(rows)
        if needed > len(self._rows):
            grown = np.zeros((max(needed, expected) + max(64, needed // 2), rows.shape[1]), np.float32)
            if self._size:
                grown[: self._size] = self._rows[: self._size]
            self._rows = grown
        self._rows[self._size : needed] = rows
        self._size = needed


class CellJoiner(Joiner):
    """Looks for micro-clusters only in the cells nearest to a vector, so that the cost hardly grows with their number.

    What nearly looks the same is in the same cell or in one of the nearest; which cells those are depends on their
    middles and the micro-cluster's sum alone, not on when it came.
    """

    def __init__(self, table: MicroTable, space: Space, threshold: float, cells: Cells) -> None:
        super().__init__(table, space, threshold)
        self._cells = cells
        self._lists = CellLists(len(cells))
        self._lists.fill(cells.place(self.rows))
        self._short = max(1, self._projection.shape[1] // _SHORTENED)
        self._heads = np.zeros((0, self._short), np.float32)
        self._tails = np.zeros(0, np.float32)
        self._shorten(slice(0, self._size))

    @property
    def rows(self) -> FloatArray:
        """``(M, r)`` micro-clusters in the space."""
        return self._rows[: self._size]

    def size_bytes(self) -> int:
        """Memory of the rows, whole and shortened, with what they have in reserve."""
        return super().size_bytes() + self._heads.nbytes + self._tails.nbytes

    @property
    def lists(self) -> CellLists:
        """Which micro-clusters are in which cell."""
        return self._lists

    def propose(self, mapped: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each mapped vector the micro-clusters that it may join, of those in the nearest cells."""
        found: list[IntArray] = []
        near, own = self._cells.near(mapped, _PROBED), self._cells.place(mapped)
        enough = self._threshold - _SLACK
        for row, home, cells in zip(mapped.astype(np.float32), own, near, strict=True):
            some = self._lists.inside(cells if home in cells else np.append(cells, home))
            # Few are near, and most of the others are told by their first numbers alone: what is left of two rows has
            # a product no greater than that of its lengths.
            tail = float(np.linalg.norm(row[self._short :]))
            some = some[self._heads[some] @ row[: self._short] + tail * self._tails[some] >= enough]
            found.append(some[self._rows[some] @ row >= enough])
        return found

    def _shorten(self, some: IntArray | slice) -> None:
        if len(self._rows) > len(self._heads):
            extra = len(self._rows) - len(self._heads)
            self._heads = np.concatenate([self._heads, np.zeros((extra, self._short), np.float32)])
            self._tails = np.concatenate([self._tails, np.zeros(extra, np.float32)])
        self._heads[some] = self._rows[some, : self._short]
        self._tails[some] = np.linalg.norm(self._rows[some, self._short :], axis=1)

    def _take(self, ids: IntArray) -> None:
        super()._take(ids)
        self._shorten(ids)
        for micro, cell in zip(ids.tolist(), self._cells.place(self._rows[ids]).tolist(), strict=True):
            self._lists.put(micro, cell)


def map_vectors(space: Space | None, vectors: FloatArray) -> NDArray[np.float64]:
    """Unit rows in the space, or simply unit rows while there is none."""
    unit = _unit(vectors)
    return space.apply(unit) if space else unit


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.asarray(vectors, np.float64)
    norm = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.maximum(norm, 1e-12), np.float64)


def _cosine(pair: NDArray[np.float64]) -> float:
    return float(pair[0] @ pair[1] / max(float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1])), 1e-12))
