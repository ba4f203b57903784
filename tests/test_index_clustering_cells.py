"""Coarse cells: where rows go, where queries look, and how cells are grouped into regions."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.base import unit_rows
from index.clustering.cells import Cells, learn_cells, regions_of, unpack_cells
from index.clustering.growing import NONE
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


def test_of_many_cells_the_nearest_are_found_below_the_nearest_of_the_upper_level() -> None:
    random = np.random.default_rng(2)
    rows = unit_rows(random.normal(size=(6000, 12)) + 3 * np.eye(12)[random.integers(0, 12, 6000)])
    cells = learn_cells(rows, 1000)
    assert len(cells) > 800 and len(cells.tops) > 20  # so that not all of them are compared with a query
    queries = rows[:500].astype(np.float64)
    near = cells.near(queries, 24)
    scores = queries @ cells.leaves.T.astype(np.float64)
    true = np.argsort(-scores, axis=1)
    for count, share in ((1, 0.99), (6, 0.98), (24, 0.97)):
        found = [len(np.intersect1d(*pair)) for pair in zip(near[:, :count], true[:, :count], strict=True)]
        assert np.mean(found) > share * count
    ranked = np.take_along_axis(scores, near, 1)
    assert (np.diff(ranked[:, :8]) <= 0).all() and (np.diff(ranked[:, 8:]) <= 1e-3).all()
    alone = np.concatenate([cells.near(query[None].copy(), 24) for query in queries[:50]])
    assert np.array_equal(alone, near[:50])


def test_no_cell_stands_beyond_the_last_that_is_looked_at() -> None:
    tops = unit_rows(np.eye(12)[:3])
    leaves = unit_rows(np.concatenate([tops[:1] + 0.1 * np.random.default_rng(3).normal(size=(1200, 12)), tops[1:]]))
    cells = Cells(tops, leaves, np.array([0, 1200, 1201, 1202]))
    near = cells.near(tops[1:].astype(np.float64), 24)  # below one of the three alone
    assert near[:, 0].tolist() == [1200, 1201] and (near[:, 1:] == NONE).all()


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
