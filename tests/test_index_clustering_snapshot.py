"""What a repair leaves behind for the vectors that follow."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from index.clustering.snapshot import Snapshot, make_snapshot, unpack
from index.clustering.space import fit_space
from index.records import OUTLIER
from ops.errors import StateError


@pytest.fixture
def snapshot() -> Snapshot:
    vectors = np.random.default_rng(0).normal(size=(80, 12))
    space = fit_space(vectors, np.ones(len(vectors), np.int64))
    assert space is not None
    clusters = np.repeat([3, 8, OUTLIER, 5], 20)
    return make_snapshot(space, space.apply(vectors), np.arange(1, 81), clusters)


def test_profiles_give_the_mean_similarity_to_the_members() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8))
    space = fit_space(vectors, np.ones(len(vectors), np.int64))
    assert space is not None
    rows, counts = space.apply(vectors), np.random.default_rng(1).integers(1, 4, 60)
    clusters = np.repeat([2, 4], 30)
    made = make_snapshot(space, rows, counts, clusters)
    members = np.repeat(rows[:30], counts[:30], axis=0)
    assert rows[40] @ made.profiles[0] == pytest.approx(float((members @ rows[40]).mean()), abs=1e-6)


def test_outliers_have_no_profile(snapshot: Snapshot) -> None:
    assert snapshot.ids.tolist() == [3, 5, 8]


def test_strength_is_high_alone_low_between_and_zero_outside(snapshot: Snapshot) -> None:
    space = snapshot.space
    rank = space.projection.shape[1]
    plain = Snapshot(space, np.array([3, 5]), np.eye(2, rank, dtype=np.float32))
    rows = np.zeros((3, rank))
    rows[0, 0], rows[1, :2], rows[2, 2] = 1.0, (0.8, 0.6), 1.0
    clusters, strengths = plain.classify(rows, 0.5)
    assert clusters.tolist() == [3, 3, OUTLIER]
    assert strengths.tolist() == pytest.approx([1.0, 0.25, 0.0])


def test_survives_packing(snapshot: Snapshot) -> None:
    raw = msgspec.msgpack.encode(snapshot.pack())
    other = unpack(msgspec.msgpack.decode(raw))
    assert other.pack() == snapshot.pack()
    rows = np.random.default_rng(5).normal(size=(9, snapshot.space.projection.shape[1]))
    assert np.array_equal(other.classify(rows, 0.1)[1], snapshot.classify(rows, 0.1)[1])


@pytest.mark.parametrize("key", ["mean", "projection", "profiles", "deviation"])
def test_damaged_packs_are_refused(snapshot: Snapshot, key: str) -> None:
    packed = snapshot.pack()
    del packed[key]
    with pytest.raises(StateError):
        unpack(packed)
    if key in ("projection", "profiles"):
        with pytest.raises(StateError):
            unpack(snapshot.pack() | {key: bytes(4)})
