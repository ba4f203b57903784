"""Decides which micro-cluster a vector joins: only one that holds nearly the same picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.celled import CelledRows
from index.clustering.cells import Cells
from index.clustering.growing import NONE, grown
from index.clustering.micro import MicroTable
from index.clustering.rowfile import load_rows, save_rows
from index.clustering.space import Space
from ops.errors import StateError
from ops.logs import get_logger

_log = get_logger("index")

SAME = 0.999
"""Cosine from which two vectors are one picture while there is no fitted space yet."""

_SLACK = 1e-3  # what half precision, float32 and the order of summation may do to a similarity
_BLOCK = 8192  # sums mapped at once; bounds memory
_PROOFS = 64  # rows of a file that are compared with their sums
_PROBED = 6  # cells looked at, beside its own, for the micro-cluster that a vector may join


class Joiner(ABC):
    """Micro-clusters in the current space.

    What `propose` finds is decided in float64 from the sums, so that it doesn't depend on how the stream was cut into
    batches or when it was interrupted.
    """

    def __init__(self, table: MicroTable, space: Space | None, threshold: float) -> None:
        self._table = table
        self._space = space
        self._threshold = threshold if space else SAME
        self._projection = space.projection.astype(np.float64) if space else np.zeros((0, 0))

    @abstractmethod
    def size_bytes(self) -> int:
        """Memory of what is held beside the table, with what it has in reserve."""

    @abstractmethod
    def propose(self, mapped: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each mapped vector the micro-clusters that it may join."""

    @abstractmethod
    def _take(self, ids: IntArray, rows: FloatArray) -> None:
        """Takes over micro-clusters, in order of id, with their rows ``(N, r)``."""

    def alike(self, rows: FloatArray, others: FloatArray) -> NDArray[np.bool_]:
        """``(N, M)``: which rows ``(N, r)`` are so near to which others ``(M, r)`` that they may be one picture."""
        return np.asarray(rows @ others.T >= self._threshold - _SLACK)

    def row_of(self, micro: int) -> FloatArray:
        """Row ``(r,)`` of a micro-cluster as it is now, whether or not it has been taken over yet."""
        row: FloatArray = self._map(self._table.sum_of(micro)[None])[0]
        return row

    def decide(self, vector: FloatArray, candidates: Iterable[int]) -> int:
        """The best micro-cluster for a unit vector among candidates, -1 if none is near enough."""
        scored = [(self._similarity(vector, micro), -micro) for micro in candidates if self._table.counts[micro]]
        score, older = max(scored, default=(-np.inf, 1))
        return -older if score >= self._threshold else -1

    def opened(self, micros: Sequence[int], mapped: NDArray[np.float64], places: Sequence[int]) -> None:
        """Takes over micro-clusters that hold one vector each, of those that were proposed for last.

        Args:
            micros: in order of id.
            mapped: what `propose` was given.
            places: of their vectors in it.
        """
        if len(micros):
            self._take(np.array(micros, np.int64), mapped[places].astype(np.float32))

    def refresh(self, micros: Iterable[int]) -> None:
        """Takes over micro-clusters that have been opened or joined; of new ones all."""
        self._fill(np.unique(np.fromiter(micros, np.int64)))

    def _fill(self, micros: IntArray | None = None) -> None:
        """Takes over micro-clusters, by default all."""
        for ids, sums in self._table.blocks(micros):
            self._take(ids, self._map(sums))

    def _similarity(self, vector: FloatArray, micro: int) -> float:
        pair = np.stack([vector, self._table.sum_of(micro)])
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


class FlatJoiner(Joiner):
    """Compares with all micro-clusters."""

    def __init__(self, table: MicroTable, space: Space | None, threshold: float) -> None:
        super().__init__(table, space, threshold)
        self._size = 0
        self._rows = np.zeros((0, 0), np.float32)
        self._fill()

    def size_bytes(self) -> int:
        """Memory of the rows, with what they have in reserve."""
        return self._rows.nbytes

    def propose(self, mapped: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each mapped vector the micro-clusters that it may join."""
        if not self._size:
            return [np.zeros(0, np.int64) for _ in mapped]
        near = self.alike(mapped.astype(np.float32), self._rows[: self._size])
        return np.split(np.nonzero(near)[1], np.cumsum(near.sum(axis=1))[:-1])

    def _take(self, ids: IntArray, rows: FloatArray) -> None:
        if not len(self._rows):
            self._rows = np.zeros((0, rows.shape[1]), np.float32)
        self._size = max(self._size, int(ids[-1]) + 1)
        self._rows = grown(self._rows, self._size)
        self._rows[ids] = rows


class CellJoiner(Joiner):
    """Looks for micro-clusters only in the cells nearest to a vector, so that the cost hardly grows with their number.

    What nearly looks the same is in the same cell or in one of the nearest; which cells those are depends on their
    middles and the micro-cluster's sum alone, not on when it came.
    """

    def __init__(
        self, table: MicroTable, space: Space, threshold: float, cells: Cells, file: tuple[Path, str] | None = None,
        before: CellJoiner | None = None,
    ) -> None:  # fmt: skip
        """Takes over the micro-clusters of a table; of those that did not change since a file was saved, what it holds.

        Args:
            table: the micro-clusters.
            space: where they are compared.
            threshold: similarity from which a vector joins one.
            cells: of the space.
            file: path and digest of the space, as `save` was given them; passed over if it does not suit.
            before: holds all of them in the same space, by other cells.
        """
        super().__init__(table, space, threshold)
        self._cells = cells
        self._proposed = np.zeros((0, 0)), np.zeros(0, np.int64)
        self.saved = 0
        self._held: CelledRows
        if before is not None:
            self._held = before._held.moved(len(cells), cells.place)
        elif file is None or not self._load(*file):
            self._held = CelledRows(len(cells), space.projection.shape[1])
            self._fill()

    def save(self, path: Path, digest: str) -> None:
        """Writes the rows.

        Raises:
            OSError: the file can't be written.
        """
        save_rows(path, digest, self._held, self._table.revisions)
        self.saved = len(self._table)

    def _load(self, path: Path, digest: str) -> bool:
        """Takes over a file and what has changed since; False if it does not suit."""
        try:
            self._held, revisions = load_rows(path, digest, len(self._cells))
            self._check(len(revisions), int(self._held.index.d))
        except StateError as error:
            if path.exists():
                _log.warning("%s; the rows of all micro-clusters are made anew", error)
            return False
        known, now = len(revisions), self._table.revisions
        changed = [np.flatnonzero(revisions != now[:known]), np.arange(known, len(self._table))]
        same = np.setdiff1d(np.linspace(0, known - 1, min(known, _PROOFS)).astype(np.int64), changed[0])
        if np.abs(self._held.rows(same) - self._map(self._table.sums(same))).max(initial=0) > _SLACK:
            _log.warning("%s is of other micro-clusters; the rows of all are made anew", path)
            return False
        self._fill(np.concatenate(changed))
        self.saved = known
        return True

    def _check(self, known: int, rank: int) -> None:
        if known > len(self._table) or rank != self._projection.shape[1] or int(self._held.sizes.sum()) != known:
            raise StateError(f"the file of micro-clusters holds {known} rows of {rank} numbers, not those of the store")

    def size_bytes(self) -> int:
        """Memory of the rows."""
        return self._held.size_bytes()

    def cell_of(self, micros: IntArray) -> IntArray:
        """The cell of each micro-cluster."""
        return self._held.cell_of(micros)

    def inside(self, cells: IntArray) -> IntArray:
        """The micro-clusters in some of the cells."""
        return self._held.inside(cells)

    def rows(self, micros: IntArray) -> FloatArray:
        """Rows ``(N, r)`` of micro-clusters in the space, in half precision."""
        return self._held.rows(micros)

    def propose(self, mapped: NDArray[np.float64]) -> list[NDArray[np.int64]]:
        """For each mapped vector the micro-clusters that it may join, of those in the nearest cells."""
        rows = mapped.astype(np.float32)
        own, near = self._cells.place(rows), self._cells.near(mapped, _PROBED)
        self._proposed = mapped, own
        extra = np.where((near == own[:, None]).any(axis=1), NONE, own)
        of, found = self._held.within(rows, np.column_stack([near, extra]), self._threshold - _SLACK)
        return np.split(found, np.searchsorted(of, np.arange(1, len(rows))))

    def opened(self, micros: Sequence[int], mapped: NDArray[np.float64], places: Sequence[int]) -> None:
        """As `Joiner.opened`, in the cells that were looked up before."""
        rows, own = self._proposed
        if rows is not mapped:
            super().opened(micros, mapped, places)
        elif len(micros):
            self._held.put(np.array(micros, np.int64), own[places], mapped[places].astype(np.float32))

    def _take(self, ids: IntArray, rows: FloatArray) -> None:
        self._held.put(ids, self._cells.place(rows), rows)


def map_rows(space: Space, vectors: FloatArray) -> FloatArray:
    """As `map_vectors`, in float32, in blocks that bound memory."""
    blocks = [vectors[begin : begin + _BLOCK] for begin in range(0, len(vectors), _BLOCK)]
    return np.concatenate([map_vectors(space, block).astype(np.float32) for block in blocks])


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
