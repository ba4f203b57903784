"""Repairs in slices: as good as whole ones, bounded, and the same after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from index.clustering import space
from index.clustering.base import FloatArray
from index.clustering.joining import CellJoiner
from index.clustering.online_linkage import OnlineLinkage
from index.records import OUTLIER
from ops.errors import StateError
from tests.committed import Disk
from tests.test_index_clustering_base import blobs

WHOLE = 150


def many(seed: int = 0) -> tuple[FloatArray, np.ndarray]:
    vectors, truth = blobs(groups=20, each=50, dim=40, noise=0.14, seed=seed)
    return np.concatenate([vectors, vectors[:60] + 1e-3]), np.concatenate([truth, truth[:60]])


def labels(clusterer: OnlineLinkage, micros: np.ndarray) -> np.ndarray:
    found = clusterer.labels_of(micros)
    return np.where(found == OUTLIER, -2 - np.arange(len(found)), found)


def test_slices_find_the_clusters_that_whole_repairs_find() -> None:
    vectors, truth = many()
    scores = []
    for whole in (WHOLE, 10_000):
        clusterer = OnlineLinkage(whole=whole)
        micros = clusterer.learn_many(vectors).micros
        clusterer.settle()
        assert (clusterer._rolling is not None) == (whole == WHOLE)
        scores.append(adjusted_rand_score(truth, labels(clusterer, micros)))
    assert scores[1] > 0.9 and scores[0] > scores[1] - 0.05


@pytest.mark.parametrize("agreeing", [0.0, np.inf])
@pytest.mark.parametrize("stop", [130, 300, 500, 777])
def test_an_interruption_leaves_no_trace(stop: int, agreeing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "AGREEING", agreeing)
    vectors, _ = many(stop)
    steady, broken = OnlineLinkage(whole=WHOLE), OnlineLinkage(whole=WHOLE)
    steady_disk, disk = Disk(), Disk()
    for begin in range(0, len(vectors), 37):
        part = vectors[begin : begin + 37]
        steady.learn_many(part)
        broken.learn_many(part)
        steady_disk.commit(steady)
        disk.commit(broken)
        if begin <= stop < begin + 37:
            broken = disk.restored(whole=WHOLE)
    assert steady._rolling is not None and steady._rolling.fitted > WHOLE
    for clusterer, written in ((steady, steady_disk), (broken, disk)):
        clusterer.settle()
        written.commit(clusterer)
        assert written.scalars == clusterer.scalars()
    assert disk.micros == steady_disk.micros and disk.sums == steady_disk.sums and disk.scalars == steady_disk.scalars
    found = [each.predict_many(vectors) for each in (steady, broken)]
    assert np.array_equal(found[0].clusters, found[1].clusters) and np.array_equal(found[0].micros, found[1].micros)
    assert np.array_equal(found[0].strengths, found[1].strengths)


def test_a_space_that_would_come_out_the_same_stays_as_the_library_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, truth = many()
    scores, spaces = [], []
    for agreeing in (0.0, np.inf):
        monkeypatch.setattr(space, "AGREEING", agreeing)
        clusterer = OnlineLinkage(whole=WHOLE)
        micros = clusterer.learn_many(vectors[:400]).micros
        assert clusterer._rolling is not None
        early, fitted = clusterer._space, clusterer._rolling.fitted
        micros = np.concatenate([micros, clusterer.learn_many(vectors[400:]).micros])
        assert clusterer._rolling.fitted > fitted
        spaces.append(clusterer._space is early)
        clusterer.settle()
        scores.append(adjusted_rand_score(truth, labels(clusterer, micros)))
    assert spaces == [False, True] and min(scores) > 0.85


def test_no_slice_regroups_more_than_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    regrouped: list[int] = []
    regroup = OnlineLinkage._regroup

    def counted(self: OnlineLinkage, rows: Any, *others: Any) -> Any:
        regrouped.append(len(rows))
        return regroup(self, rows, *others)

    monkeypatch.setattr(OnlineLinkage, "_regroup", counted)
    vectors, _ = many()
    clusterer = OnlineLinkage(whole=WHOLE)
    clusterer.learn_many(vectors)
    assert len(clusterer._table) > 4 * WHOLE and len(regrouped) > 10 and max(regrouped) <= WHOLE


def test_copies_are_found_in_the_cells() -> None:
    vectors, _ = many()
    clusterer = OnlineLinkage(whole=WHOLE)
    first = clusterer.learn_many(vectors[:1000]).micros
    assert isinstance(clusterer._joiner, CellJoiner)
    again = clusterer.learn_many(vectors[:1000] * 2).micros
    assert np.mean(first == again) > 0.99


def test_clusters_and_images_leave_for_good() -> None:
    vectors, _ = many()
    clusterer, disk = OnlineLinkage(whole=WHOLE), Disk()
    micros = clusterer.learn_many(vectors[:1000]).micros
    sizes = clusterer.sizes()
    home, other = sorted(sizes, key=lambda cluster: -sizes[cluster])[:2]
    gone = {
        int(micro): np.zeros((0, 40), np.float32) for micro in np.unique(micros[clusterer.labels_of(micros) == home])
    }
    assert [(event.kind, event.cluster) for event in clusterer.forget(gone)] == [("deleted", home)]
    row = int(np.flatnonzero(clusterer.labels_of(micros) == other)[0])
    stay = [place for place in np.flatnonzero(micros == micros[row]).tolist() if place != row]
    (moved,) = clusterer.hand_back({int(micros[row]): vectors[stay]}, [(int(micros[row]), vectors[row])])
    disk.commit(clusterer)
    assert f"profile/{home}" not in disk.scalars and f"profile/{other}" in disk.scalars
    for each in (clusterer, disk.restored(whole=WHOLE)):
        each.learn_many(vectors[:300] + 2e-3)
        each.repair()
        assert home not in each.sizes() and each.labels_of(np.array([moved]))[0] != other


def test_damaged_state_is_refused() -> None:
    clusterer, disk = OnlineLinkage(whole=WHOLE), Disk()
    clusterer.learn_many(many()[0])
    disk.commit(clusterer)
    name = next(name for name in disk.scalars if name.startswith("profile/"))
    for broken in ({name: b"1234"}, {"regions": b"1234"}, {"pace": None}):
        damaged = Disk()
        damaged.micros, damaged.sums, damaged.scalars = disk.micros, disk.sums, {**disk.scalars, **broken}
        with pytest.raises(StateError, match="restore a backup"):
            damaged.restored(whole=WHOLE)
