"""Profiles by cell: the same answers as all profiles together, and only what changed is written."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.base import unit_rows
from index.clustering.cells import learn_cells
from index.clustering.growing import NONE
from index.clustering.profiles import CellProfiles
from index.clustering.snapshot import Snapshot
from index.clustering.space import Space, fit_space
from index.records import OUTLIER
from ops.errors import StateError

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(200, 10)) + 2 * np.eye(10)[np.arange(200) % 10]


@pytest.fixture
def space() -> Space:
    found = fit_space(unit_rows(VECTORS), np.ones(200, np.int64))
    assert found is not None
    return found


@pytest.fixture
def profiles(space: Space) -> CellProfiles:
    rows = space.apply(unit_rows(VECTORS)).astype(np.float32)
    found = CellProfiles(space, learn_cells(rows, 30))
    for cluster, row in enumerate(rows[:40], start=1):
        found.put({cluster: row * 0.9})
    return found


def test_it_answers_as_all_profiles_together_do(space: Space, profiles: CellProfiles) -> None:
    rows = space.apply(unit_rows(VECTORS))
    plain = Snapshot(space, np.arange(1, 41), profiles._rows.of(np.arange(1, 41)))
    clusters, strengths = profiles.classify(rows, 0.5)
    wanted, strong = plain.classify(rows, 0.5)
    assert np.mean(clusters == wanted) > 0.98 and (clusters[:40] == np.arange(1, 41)).all()
    assert np.allclose(strengths[clusters == wanted], strong[clusters == wanted], atol=0.2)


def test_what_is_barred_or_dropped_is_passed_over(space: Space, profiles: CellProfiles) -> None:
    rows = space.apply(unit_rows(VECTORS[6:7]))
    assert profiles.classify(rows, 0.5)[0].tolist() == [7]
    assert profiles.without([7]).classify(rows, 0.5)[0][0] != 7
    assert profiles.classify(rows, 0.5)[0].tolist() == [7]
    profiles.drop([7, 999])
    assert profiles.classify(rows, 0.5)[0][0] != 7 and profiles.classify(rows, 2.0)[0].tolist() == [OUTLIER]
    assert profiles.cell_of(np.array([7, OUTLIER, 999]))[0] == NONE and profiles.cell_of(np.array([8]))[0] != NONE


def test_profiles_move_to_other_cells_as_they_are(space: Space, profiles: CellProfiles) -> None:
    rows = space.apply(unit_rows(VECTORS))
    profiles.changes()
    profiles.put({4: profiles._rows.of(np.array([5]))[0]})
    moved = profiles.moved(learn_cells(rows.astype(np.float32), 60))
    assert moved.pack() == profiles.pack() and set(moved.changes()) == {"profile/4"}
    assert np.mean(moved.classify(rows, 0.5)[0] == profiles.classify(rows, 0.5)[0]) > 0.97
    assert moved.cells is not profiles.cells and moved.cell_of(np.array([4]))[0] == moved.cell_of(np.array([5]))[0]


def test_only_what_changed_is_written(space: Space, profiles: CellProfiles) -> None:
    assert len(profiles.changes()) == 40 and profiles.changes() == {}
    profiles.drop([3])
    profiles.put({4: profiles._rows.of(np.array([5]))[0]})
    assert profiles.changes() == {"profile/3": None, "profile/4": profiles.pack()["profile/5"]}
    restored = CellProfiles(space, profiles.cells)
    restored.load(profiles.pack() | {"learnt": 7})
    assert restored.pack() == profiles.pack() and restored.changes() == {}
    after = CellProfiles(space, profiles.cells)
    after.succeed(profiles)
    assert set(after.changes()) == set(profiles.pack())  # all of them are gone
    with pytest.raises(StateError, match="restore a backup"):
        restored.load({"profile/3": b"1234"})
