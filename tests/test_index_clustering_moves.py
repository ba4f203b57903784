"""Which moves a repair makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from index.clustering.moves import take_moves
from index.records import OUTLIER


def decide(old: list[int], proposed: list[int], similarity: np.ndarray, margin: float) -> list[int]:
    weights = np.ones(len(old), np.int64)
    sums = sparse.csr_matrix(similarity - np.diag(np.diag(similarity)))
    return take_moves(np.array(old), np.array(proposed), sums, weights, 0.2, margin).tolist()


def between(*blocks: tuple[int, int, float]) -> np.ndarray:
    """``(6, 6)`` similarities of three pairs of items: 0.9 within, and as told between two of the pairs."""
    levels = np.full((3, 3), 0.0)
    np.fill_diagonal(levels, 0.9)
    for one, other, level in blocks:
        levels[one, other] = levels[other, one] = level
    return np.kron(levels, np.ones((2, 2)))


@pytest.mark.parametrize(("level", "merged"), [(0.25, False), (0.4, True)])
def test_clusters_merge_if_they_are_alike_by_more_than_the_margin(level: float, merged: bool) -> None:
    found = decide([1, 1, 2, 2, 3, 3], [1, 1, 1, 1, 3, 3], between((0, 1, level)), 0.1)
    assert found == [1, 1, 1 if merged else 2, 1 if merged else 2, 3, 3]


@pytest.mark.parametrize(("level", "split"), [(0.15, False), (0.05, True)])
def test_a_cluster_splits_if_its_parts_are_apart_by_more_than_the_margin(level: float, split: bool) -> None:
    found = decide([1, 1, 1, 1, 3, 3], [1, 1, 9, 9, 3, 3], between((0, 1, level)), 0.1)
    assert found == [1, 1, 9 if split else 1, 9 if split else 1, 3, 3]


def test_a_part_moves_to_where_it_is_more_at_home_by_the_margin() -> None:
    similarity = between((0, 1, 0.5), (1, 2, 0.55))
    assert decide([1, 1, 1, 1, 3, 3], [1, 1, 3, 3, 3, 3], similarity, 0.1) == [1, 1, 1, 1, 3, 3]
    assert decide([1, 1, 1, 1, 3, 3], [1, 1, 3, 3, 3, 3], similarity, 0.01) == [1, 1, 3, 3, 3, 3]


def test_what_is_in_no_cluster_goes_where_it_is_proposed() -> None:
    assert decide([OUTLIER, OUTLIER, 2, 2, 3, 3], [9, 9, 2, 2, 3, 3], between(), 5.0) == [9, 9, 2, 2, 3, 3]


labels = st.lists(st.integers(1, 4), min_size=12, max_size=12)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(labels, labels, st.integers(0, 99))
def test_each_item_is_where_it_was_or_where_it_is_proposed(old: list[int], proposed: list[int], seed: int) -> None:
    random = np.random.default_rng(seed).uniform(0, 1, (12, 12))
    found = decide(old, proposed, random + random.T, 0.1)
    assert all(each in pair for each, pair in zip(found, zip(old, proposed, strict=True), strict=True))
    assert decide(old, proposed, random + random.T, 10.0) == old
