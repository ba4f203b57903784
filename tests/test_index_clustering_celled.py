"""Rows by cell: each is in the cell that it was put into last, and found there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.clustering.base import unit_rows
from index.clustering.celled import CelledRows
from index.clustering.growing import NONE

CELLS, RANK = 4, 6
EVERYWHERE = np.arange(CELLS)[None]
ROWS = unit_rows(np.random.default_rng(0).normal(size=(200, RANK)))


def held(start: list[int]) -> CelledRows:
    found = CelledRows(CELLS, RANK)
    found.put(np.arange(len(start)), np.array(start, np.int64), ROWS[: len(start)])
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, CELLS - 1), max_size=9),
    st.lists(st.tuples(st.integers(0, 12), st.integers(-1, CELLS - 1), st.integers(0, 199)), max_size=60),
)
def test_every_number_is_where_it_was_put_last_with_its_last_row(
    start: list[int], steps: list[tuple[int, int, int]]
) -> None:
    celled = held(start)
    wanted = {number: (cell, number) for number, cell in enumerate(start)}
    for number, cell, row in steps:
        if cell < 0:
            celled.drop(number)
            wanted.pop(number, None)
        else:
            celled.put(np.array([number]), np.array([cell]), ROWS[row : row + 1])
            wanted[number] = cell, row
    assert celled.cell_of(np.arange(14)).tolist() == [wanted.get(number, (NONE, 0))[0] for number in range(14)]
    assert celled.sizes.tolist() == [sum(cell == each for each, _ in wanted.values()) for cell in range(CELLS)]
    numbers = np.array(sorted(wanted), np.int64)
    rows = [wanted[number][1] for number in numbers.tolist()]
    assert np.abs(celled.rows(numbers) - ROWS[rows]).max(initial=0) < 1e-3
    for cell in range(CELLS):
        assert sorted(celled.inside(np.array([cell])).tolist()) == [n for n in sorted(wanted) if wanted[n][0] == cell]
    for number, (cell, row) in wanted.items():
        of, found = celled.within(ROWS[row : row + 1], np.array([[cell]]), 0.999)
        assert number in found and not of.any()
        others = np.array([[each for each in range(CELLS) if each != cell]])
        assert number not in celled.within(ROWS[row : row + 1], others, -2.0)[1]


def test_what_is_near_is_found_in_the_cells_that_are_named() -> None:
    cells = np.random.default_rng(1).integers(0, CELLS, 150)
    celled = held(cells.tolist())
    named = np.array([[0, NONE, NONE, NONE, NONE], [1, 2, NONE, NONE, NONE], [3, 1, 2, NONE, 0], [NONE] * 5])
    products = ROWS[150:154] @ ROWS[:150].T
    of, found = celled.within(ROWS[150:154], named, 0.3)
    nearest = celled.nearest(ROWS[150:154], named, 3)
    for place, some in enumerate(named):
        inside = np.flatnonzero(np.isin(cells, some))
        best = inside[np.argsort(-products[place, inside])]
        assert nearest[place].tolist() == [*best[:3].tolist(), *[NONE] * 3][:3]
        assert sorted(found[of == place].tolist()) == sorted(best[products[place, best] > 0.3].tolist())


def test_many_are_put_at_once_as_one_by_one() -> None:
    random = np.random.default_rng(2)
    first, second = random.integers(0, CELLS, 100), random.integers(0, CELLS, 120)
    together, apart = held(first.tolist()), CelledRows(CELLS, RANK)
    numbers = random.permutation(120)
    together.put(numbers, second[numbers], ROWS[numbers])
    for number in range(120):
        apart.put(np.array([number]), second[number : number + 1], ROWS[number : number + 1])
    assert together.cell_of(np.arange(120)).tolist() == apart.cell_of(np.arange(120)).tolist() == second.tolist()
    everywhere = np.repeat(EVERYWHERE, 120, axis=0)
    found = together.nearest(ROWS[:120], everywhere, 4)
    assert (found == apart.nearest(ROWS[:120], everywhere, 4)).all() and (found[:, 0] == np.arange(120)).all()
    assert together.size_bytes() == pytest.approx(apart.size_bytes(), rel=0.2) and together.sizes.sum() == 120


def test_half_precision_moves_a_product_by_less_than_the_slack() -> None:
    celled = held([0] * 200)
    products = ROWS @ ROWS.T
    for row in range(0, 200, 10):
        bare = np.sort(products[row])[::-1]
        for least in (bare[3] - 1e-3, bare[10] - 1e-3):
            found = celled.within(ROWS[row : row + 1], np.zeros((1, 1), np.int64), float(least))[1]
            assert set(np.flatnonzero(products[row] >= least + 1e-3).tolist()) <= set(found.tolist())
            assert set(found.tolist()) <= set(np.flatnonzero(products[row] >= least - 1e-3).tolist())
