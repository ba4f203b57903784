"""Rows by number."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.clustering.rows import Rows


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=120))
def test_holds_what_a_dictionary_would(steps: list[tuple[bool, int]]) -> None:
    rows, known = Rows(2), dict[int, tuple[int, int]]()
    for turn, (puts, number) in enumerate(steps):
        if puts:
            rows.put(number, np.array([turn, number], np.float32))
            known[number] = (turn, number)
        else:
            assert rows.drop(number) == (known.pop(number, None) is not None)
    assert rows.numbers() == sorted(known)
    assert all((number in rows) == (number in known) for number in range(201))
    assert rows.of(np.array(sorted(known), np.int64)).tolist() == [list(known[number]) for number in sorted(known)]


def test_places_of_dropped_rows_are_used_again() -> None:
    rows = Rows(3)
    for number in range(10_000):
        rows.put(number, np.full(3, number, np.float32))
        if number >= 5:
            assert rows.drop(number - 5)
    assert rows.numbers() == list(range(9995, 10_000))
    assert len(rows._rows) == 64
