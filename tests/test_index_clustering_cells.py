"""Coarse cells: where rows go, where queries look, and how cells are grouped into regions."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.base import unit_rows
from index.clustering.cells import greatest, learn_cells, regions_of, unpack_cells
from ops.errors import StateError

ROWS = unit_rows(np.random.default_rng(0).normal(size=(600, 12)) + 3 * np.eye(12)[np.arange(600) % 12])


def test_what_looks_the_same_is_looked_for_where_it_is() -> None:
    cells = learn_cells(ROWS, 40)
    home = cells.place(ROWS)
    assert 30 <= len(cells) <= 50 and len(np.unique(home)) > 20
    near = cells.near((ROWS + 1e-3).astype(np.float64), 4)
    assert near.shape == (600, 4) and np.mean((near == home[:, None]).any(axis=1)) > 0.97
    assert near[:, 0].tolist() == (ROWS @ cells.leaves.T).argmax(axis=1).tolist()
    few = learn_cells(ROWS, 9)
    assert np.array_equal(np.sort(few.near(ROWS[:2].astype(np.float64), 99)[0]), np.arange(len(few)))


@pytest.mark.parametrize(("length", "count"), [(600, 24), (611, 24), (200, 24), (24, 24), (5, 5), (400, 1), (700, 40)])
def test_the_greatest_come_first_and_of_equals_the_first(length: int, count: int) -> None:
    random = np.random.default_rng(length)
    scores = random.normal(size=(30, length)).astype(np.float32)
    assert np.array_equal(greatest(scores, count), np.argsort(-scores, axis=1, kind="stable")[:, :count])
    some = random.integers(0, 40, (30, length)).astype(np.float32)  # with many equals
    found = np.take_along_axis(some, greatest(some, count), 1)
    assert np.array_equal(found, -np.sort(-some, axis=1)[:, :count])


def test_the_cell_of_a_row_depends_on_nothing_else() -> None:
    cells = learn_cells(ROWS, 40)
    alone = [int(cells.place(row[None])[0]) for row in ROWS]
    assert alone == cells.place(ROWS).tolist() == unpack_cells(cells.pack(), 12).place(ROWS).tolist()
    assert np.array_equal(learn_cells(ROWS, 40).leaves, cells.leaves)


@pytest.mark.parametrize("name", ["cell_tops", "cell_leaves", "cell_first"])
def test_damaged_cells_are_refused(name: str) -> None:
    packed = learn_cells(ROWS, 20).pack()
    with pytest.raises(StateError, match="restore a backup"):
        unpack_cells({**packed, name: packed[name][:-8]}, 12)


def test_there_are_no_more_cells_than_rows() -> None:
    assert len(learn_cells(ROWS[:3], 100)) == 3 and len(learn_cells(ROWS[:1], 5)) == 1


def test_regions_are_bounded_and_their_borders_move() -> None:
    leaves = learn_cells(ROWS, 60).leaves
    weights = np.random.default_rng(1).integers(0, 20, len(leaves))
    first, second = (regions_of(leaves, weights, 100, seed) for seed in (1, 2))
    for regions in (first, second):
        heavy = np.bincount(regions, weights=weights)
        assert heavy.max() <= 100 and heavy.sum() == weights.sum() and (np.bincount(regions) > 0).all()
    assert not np.array_equal(first, second) and np.array_equal(first, regions_of(leaves, weights, 100, 1))
    assert len(np.unique(regions_of(leaves, 1000 + weights, 100, 1))) == len(leaves)  # each alone is too heavy
