"""Rows kept by coarse cell, those of a cell side by side: what is near is found without looking at the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.grouped import places_by_value
from index.clustering.growing import NONE, grown
from ops.errors import StateError

_BYTES = 2  # of a number in half precision
_BLOCK = 8192  # rows moved at once; bounds memory
_LEAST_LISTS = 64  # FAISS reads the named cells of all rows amiss where it has fewer lists than cells are named for one


class CelledRows:
    """Rows by a number that is not negative, each in one cell or none.

    FAISS's inverted lists hold them in half precision, which moves the product of two unit rows by less than 5e-4: what
    is found here is a proposal. It depends on rows and cells alone, not on the order in which they came.
    """

    def __init__(self, cells: int, rank: int, index: Any = None) -> None:
        """No row yet of ``rank`` numbers, in so many cells; ``index`` is one to begin with, whose rows are not told."""
        self._index: Any = index or _lists(max(cells, _LEAST_LISTS), rank)
        self._sizes = np.zeros(cells, np.int64)
        self._cell = np.zeros(0, np.int64)  # of each number
        self._slot = np.zeros(0, np.int64)

    @classmethod
    def of(cls, index: Any, cells: int, numbers: int) -> CelledRows:
        """The rows that an index holds, of numbers below ``numbers``, each in one of so many cells.

        Raises:
            StateError: it holds anything else.
        """
        found = cls(cells, int(index.d), index)
        lists = index.invlists
        found._cell, found._slot = np.full(numbers, NONE, np.int64), np.zeros(numbers, np.int64)
        for cell in range(cells):
            if size := int(lists.list_size(cell)):
                ids = faiss.rev_swig_ptr(lists.get_ids(cell), size)
                if not 0 <= ids.min() <= ids.max() < numbers:
                    raise StateError(f"rows of cell {cell} are not numbered below {numbers}")
                found._cell[ids], found._slot[ids], found._sizes[cell] = cell, np.arange(size), size
        if int(found._sizes.sum()) != np.count_nonzero(found._cell != NONE):
            raise StateError("a row is in two cells")
        return found

    @property
    def index(self) -> Any:
        """What FAISS holds, to be written."""
        return self._index

    @property
    def sizes(self) -> IntArray:
        """``(L,)`` rows in each cell."""
        return self._sizes

    def size_bytes(self) -> int:
        """Memory of the rows and of where they are."""
        row = _BYTES * int(self._index.d) + self._cell.itemsize
        return int(self._sizes.sum()) * row + self._cell.nbytes + self._slot.nbytes

    def cell_of(self, numbers: IntArray) -> IntArray:
        """The cell of each number, `NONE` for none."""
        found = np.full(len(numbers), NONE, np.int64)
        known = numbers < len(self._cell)
        found[known] = self._cell[numbers[known]]
        return found

    def inside(self, cells: IntArray) -> IntArray:
        """The numbers in some of the cells."""
        lists = self._index.invlists
        filled = [(cell, size) for cell in cells.tolist() if (size := int(self._sizes[cell]))]
        parts = [faiss.rev_swig_ptr(lists.get_ids(cell), size).copy() for cell, size in filled]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def rows(self, numbers: IntArray) -> FloatArray:
        """The rows ``(N, r)`` of numbers that are in a cell, as they are held."""
        rank, lists = int(self._index.d), self._index.invlists
        found = np.empty((len(numbers), rank), np.float32)
        cells, slots = self._cell[numbers], self._slot[numbers]
        for cell, some in places_by_value(cells):
            codes = faiss.rev_swig_ptr(lists.get_codes(cell), int(self._sizes[cell]) * rank * _BYTES)
            found[some] = codes.view("<f2").reshape(-1, rank)[slots[some]]
        return found

    def moved(self, cells: int, place: Callable[[FloatArray], IntArray]) -> CelledRows:
        """The same rows in other cells, so many of them; ``place`` tells the cells ``(N,)`` of rows ``(N, r)``."""
        found = CelledRows(cells, int(self._index.d))
        for numbers, rows in self._blocks():
            found.put(numbers, place(rows), rows)
        return found

    def _blocks(self) -> Iterator[tuple[IntArray, FloatArray]]:
        """All numbers and rows, some cells at once."""
        filled = np.flatnonzero(self._sizes)
        number = np.cumsum(self._sizes[filled]) // _BLOCK
        for _, some in places_by_value(number):
            inside = self.inside(filled[some])
            yield inside, self.rows(inside)

    def put(self, numbers: IntArray, cells: IntArray, rows: FloatArray) -> None:
        """Sets the rows ``(N, r)`` of different numbers and puts them into cells, out of those that they were in."""
        if not len(numbers):
            return
        size = int(numbers.max()) + 1
        self._cell, self._slot = grown(self._cell, size, NONE), grown(self._slot, size)
        codes = self._index.sq.compute_codes(np.ascontiguousarray(rows, np.float32))
        stays = self._cell[numbers] == cells
        for place in np.flatnonzero(stays).tolist():
            number = int(numbers[place])
            self._write(int(cells[place]), int(self._slot[number]), number, faiss.swig_ptr(codes[place]))
        for number in numbers[~stays].tolist():
            self.drop(number)
        self._add(numbers[~stays], cells[~stays], codes[~stays])

    def drop(self, number: int) -> None:
        """Takes a number out of its cell, if it is in one; the last of the cell takes its place."""
        cell = int(self._cell[number]) if number < len(self._cell) else NONE
        if cell == NONE:
            return
        lists, slot, last = self._index.invlists, int(self._slot[number]), int(self._sizes[cell]) - 1
        moved = lists.get_single_id(cell, last)
        self._write(cell, slot, moved, lists.get_single_code(cell, last))
        lists.resize(cell, last)
        self._slot[moved], self._cell[number], self._sizes[cell] = slot, NONE, last

    def within(self, rows: FloatArray, cells: IntArray, least: float) -> tuple[IntArray, IntArray]:
        """Pairs whose product is greater than ``least``.

        Args:
            rows: ``(N, r)``.
            cells: ``(N, C)`` where to look for each; `NONE` stands for no cell.
            least: of the product.

        Returns:
            ``(K,)`` rows in order, and ``(K,)`` numbers.
        """
        self._index.nprobe = cells.shape[1]
        ends, _, numbers = self._index.range_search_preassigned(rows, least, cells, np.zeros(cells.shape, np.float32))
        return np.repeat(np.arange(len(rows)), np.diff(ends.astype(np.int64))), numbers

    def nearest(self, rows: FloatArray, cells: IntArray, count: int) -> IntArray:
        """Numbers ``(N, count)`` of greatest product in the cells ``(N, C)`` of each row, `NONE` beyond the last."""
        self._index.nprobe = cells.shape[1]
        found: IntArray = self._index.search_preassigned(rows, count, cells, np.zeros(cells.shape, np.float32))[1]
        return found

    def _add(self, numbers: IntArray, cells: IntArray, codes: NDArray[np.uint8]) -> None:
        order = np.argsort(cells, kind="stable")
        numbers, cells, codes = numbers[order], cells[order], codes[order]
        bounds = np.flatnonzero(np.diff(cells, prepend=NONE, append=NONE)).tolist()
        for start, end in pairwise(bounds):
            cell, size = int(cells[start]), end - start
            some = numbers[start:end]
            self._index.invlists.add_entries(cell, size, faiss.swig_ptr(some), faiss.swig_ptr(codes[start:end]))
            self._slot[some] = self._sizes[cell] + np.arange(size)
            self._sizes[cell] += size
        self._cell[numbers] = cells

    def _write(self, cell: int, slot: int, number: int, code: Any) -> None:
        self._index.invlists.update_entry(cell, slot, number, code)


def _lists(count: int, rank: int) -> Any:
    index: Any = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(rank), rank, count, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT, False
    )
    index.is_trained = True  # callers say which cells: there are no middles to learn, and none are asked
    return index
