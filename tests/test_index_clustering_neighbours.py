"""Neighbourhoods."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering import neighbours
from index.clustering.neighbours import walk_profiles


def chain(count: int, step: float) -> np.ndarray:
    """Unit vectors along an arc, `step` radians from one to the next."""
    angles = np.arange(count) * step
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_profiles_are_unit_rows_of_shares() -> None:
    profiles = walk_profiles(chain(40, 0.1), np.ones(40, np.int64), 0.5)
    assert np.allclose(np.sqrt(profiles.multiply(profiles).sum(axis=1)), 1.0)
    assert profiles.data.min() > 0


def test_views_in_a_chain_are_alike_and_a_gap_parts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "NEIGHBOURS", 4)
    rows = np.concatenate([chain(10, 0.1), chain(20, 0.1)[10:] @ np.array([[0, 1], [-1, 0]], np.float32)])
    similarity = (profiles := walk_profiles(rows, np.ones(len(rows), np.int64), 0.5)) @ profiles.T
    assert similarity[0, 5] > 0.2 and rows[0] @ rows[9] < rows[9] @ rows[8]
    assert similarity[:10, 10:].max() == 0


def test_below_the_floor_nobody_is_a_neighbour() -> None:
    rows = np.eye(5, dtype=np.float32)
    assert np.allclose(walk_profiles(rows, np.ones(5, np.int64), 0.2).toarray(), np.eye(5))


def test_order_does_not_matter() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    order = np.random.default_rng(1).permutation(60)
    one, other = (walk_profiles(some, np.ones(60, np.int64), 0.1).toarray() for some in (rows, rows[order]))
    assert np.allclose(one[order][:, order], other, atol=1e-5)


def test_a_neighbour_that_is_shared_counts_more() -> None:
    """Two tight groups and a bridge between one row of each: the bridge carries few walkers."""
    rows = np.random.default_rng(3).normal(0, 0.1, (24, 16))
    rows[:12, 0] += 1
    rows[12:, 1] += 1
    rows[0, 1], rows[12, 0] = 0.9, 0.9
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    assert unit[0] @ unit[12] > 0.7
    profiles = walk_profiles(unit, np.ones(24, np.int64), 0.3)
    similarity = (profiles @ profiles.T).toarray()
    assert similarity[1:12, 13:].mean() < 0.3 * similarity[1:12, 1:12].mean()


def test_walks_stay_in_a_row_by_the_images_it_stands_for() -> None:
    rows = chain(12, 0.3)
    counts = np.ones(12, np.int64)
    counts[3] = 20
    before, after = (walk_profiles(rows, some, 0.2).toarray() for some in (np.ones(12, np.int64), counts))
    assert after[3, 3] > 1.5 * before[3, 3]
    assert after[11, 3] > before[11, 3], "who comes there stays as well"
