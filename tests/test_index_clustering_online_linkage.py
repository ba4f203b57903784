"""Online linkage: order, interruption, lineage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from index.clustering import neighbours
from index.clustering.base import FloatArray, LineageEvent
from index.clustering.online_linkage import OnlineLinkage
from index.clustering.repairing import MIN_FIT
from index.records import OUTLIER
from ops.errors import StateError
from tests.committed import Disk
from tests.test_index_clustering_base import blobs


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.integers(0, 239), st.integers(1, 70), st.integers(0, 100))
def test_an_interruption_leaves_no_trace(stop: int, batch: int, seed: int) -> None:
    vectors, _ = blobs(groups=8, seed=seed)
    vectors = np.concatenate([vectors, vectors[:60] + 1e-3])  # some join, some open
    steady, steady_disk, disk = OnlineLinkage(), Disk(), Disk()
    broken = OnlineLinkage()
    for begin in range(0, len(vectors), batch):
        part = vectors[begin : begin + batch]
        steady.learn_many(part)
        broken.learn_many(part)
        disk.commit(broken)
        if begin <= stop < begin + batch:
            broken = disk.restored()
    steady.repair()
    broken.repair()
    steady_disk.commit(steady)
    disk.commit(broken)
    assert disk.micros == steady_disk.micros and disk.sums == steady_disk.sums and disk.scalars == steady_disk.scalars
    assert steady.predict_many(vectors).clusters.tolist() == broken.predict_many(vectors).clusters.tolist()


def test_orders_agree() -> None:
    vectors, truth = blobs(groups=10, each=25, noise=0.15)
    partitions = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(vectors))
        clusterer = OnlineLinkage()
        micros = clusterer.learn_many(vectors[order]).micros
        clusterer.repair()
        labels = np.empty(len(vectors), np.int64)
        labels[order] = clusterer.labels_of(micros)
        partitions.append(labels)
    assert adjusted_rand_score(partitions[0], partitions[1]) > 0.95
    assert adjusted_rand_score(partitions[0], partitions[2]) > 0.95
    assert adjusted_rand_score(truth, partitions[0]) > 0.9


def test_ids_are_stable_while_clusters_grow() -> None:
    vectors, _ = blobs(groups=6, each=60, noise=0.05)
    clusterer = OnlineLinkage()
    micros = clusterer.learn_many(vectors[:120]).micros
    clusterer.repair()
    before = clusterer.labels_of(micros)
    learnt = clusterer.learn_many(vectors[120:])
    clusterer.repair()
    assert np.array_equal(clusterer.labels_of(micros), before) and (before != OUTLIER).all()
    assert learnt.events == [] and set(learnt.clusters.tolist()) == set(before.tolist())


def test_repairs_come_due_by_themselves_and_report_creation() -> None:
    vectors, _ = blobs(groups=4, each=10, noise=0.05)
    learnt = OnlineLinkage(min_inserts=32).learn_many(vectors)
    assert {event.kind for event in learnt.events} == {"created"} and len(learnt.events) == 4
    assert (learnt.clusters != OUTLIER).all()


def test_a_new_kind_of_image_is_an_outlier_until_there_are_enough() -> None:
    vectors, _ = blobs(groups=6, noise=0.12)
    clusterer = OnlineLinkage(growth=10.0)
    clusterer.learn_many(vectors)
    clusterer.repair()
    known = set(clusterer.sizes())
    random = np.random.default_rng(1)
    strangers = (-np.eye(1, 24, k=20) + 0.3 + random.normal(0, 0.12, (5, 24))).astype(np.float32)
    first = clusterer.learn_many(strangers)
    assert (first.clusters == OUTLIER).all() and (first.strengths == 0).all()
    event = next(event for event in clusterer.repair() if event.kind == "created")
    assert event.cluster not in known
    assert set(clusterer.labels_of(first.micros).tolist()) == {event.cluster}


def test_copies_share_a_micro_cluster() -> None:
    vectors, _ = blobs()
    clusterer = OnlineLinkage()
    first = clusterer.learn_many(vectors).micros
    assert np.array_equal(clusterer.learn_many(vectors * 2).micros, first)


def test_a_stream_of_one_picture_is_one_micro_cluster_and_no_cluster() -> None:
    clusterer = OnlineLinkage()
    learnt = clusterer.learn_many(np.tile(np.arange(1.0, 9.0, dtype=np.float32), (100, 1)))
    assert set(learnt.micros.tolist()) == {0} and clusterer.n_clusters == 0


def test_too_few_vectors_are_not_judged() -> None:
    clusterer = OnlineLinkage()
    clusterer.learn_many(blobs()[0][: MIN_FIT - 1])
    assert clusterer.repair() == [] and clusterer.n_clusters == 0


def test_a_lower_z_gives_no_more_clusters() -> None:
    vectors, _ = blobs(groups=10, noise=0.25)
    found = []
    for z in (0.5, 1.5, 3.0, 5.0):
        clusterer = OnlineLinkage(z=z, min_size=1)
        clusterer.learn_many(vectors)
        clusterer.repair()
        found.append(clusterer.n_clusters)
    assert found == sorted(found) and found[0] < found[-1]


def test_state_that_does_not_add_up_is_refused() -> None:
    clusterer, disk = OnlineLinkage(), Disk()
    clusterer.learn_many(blobs()[0])
    disk.commit(clusterer)
    del disk.micros[max(disk.micros)]
    with pytest.raises(StateError, match="do not add up"):
        disk.restored()


def grouped(groups: int = 6) -> tuple[OnlineLinkage, FloatArray, list[int]]:
    """A repaired clusterer, what it learnt, and the micro-cluster of each vector."""
    vectors, _ = blobs(groups=groups, each=25, noise=0.15)
    clusterer = OnlineLinkage()
    micros = clusterer.learn_many(vectors).micros.tolist()
    clusterer.repair()
    assert len(clusterer.sizes()) >= groups
    return clusterer, vectors, micros


def hand_back(clusterer: OnlineLinkage, vectors: FloatArray, micros: list[int], row: int) -> int:
    """One vector leaves its cluster."""
    stay = [other for other, micro in enumerate(micros) if micro == micros[row] and other != row]
    (micros[row],) = clusterer.hand_back({micros[row]: vectors[stay]}, [(micros[row], vectors[row])])
    return micros[row]


def cluster_of(clusterer: OnlineLinkage, micro: int) -> int:
    return int(clusterer.labels_of(np.array([micro]))[0])


def first_of_each(clusterer: OnlineLinkage, micros: list[int]) -> dict[int, int]:
    """Cluster -> the first vector in it."""
    labels = clusterer.labels_of(np.array(micros)).tolist()
    return {cluster: labels.index(cluster) for cluster in sorted(set(labels) - {OUTLIER})}


def test_what_is_handed_back_is_in_its_cluster_no_more_and_a_restart_changes_nothing() -> None:
    clusterer, vectors, micros = grouped()
    disk = Disk()
    disk.commit(clusterer)
    home, row = next(iter(first_of_each(clusterer, micros).items()))
    size = clusterer.sizes()[home]
    micro = hand_back(clusterer, vectors, micros, row)
    assert cluster_of(clusterer, micro) == OUTLIER and clusterer.sizes()[home] == size - 1
    disk.commit(clusterer)
    assert disk.micros[micro].barred == (home,)
    restored = disk.restored()
    for each in (clusterer, restored):
        each.learn_many(vectors[:40] + 2e-3)
        each.repair()
        assert cluster_of(each, micro) != home
    assert clusterer.changed() == restored.changed()


def test_it_is_tried_in_the_best_of_the_other_clusters_and_after_three_stays_an_outlier() -> None:
    clusterer, vectors, micros = grouped()
    row = next(iter(first_of_each(clusterer, micros).values()))
    clusterer.z = -50.0  # it would be taken anywhere
    homes = [cluster_of(clusterer, micros[row])]
    while homes[-1] != OUTLIER:
        homes.append(cluster_of(clusterer, hand_back(clusterer, vectors, micros, row)))
    assert len(set(homes)) == 4 and homes[3] == OUTLIER
    clusterer.repair()
    assert cluster_of(clusterer, micros[row]) == OUTLIER


def test_it_may_not_be_in_what_takes_its_cluster_in_either(monkeypatch: pytest.MonkeyPatch) -> None:
    clusterer, vectors, micros = grouped()
    strangers = [hand_back(clusterer, vectors, micros, row) for row in first_of_each(clusterer, micros).values()]
    monkeypatch.setattr(neighbours, "NEIGHBOURS", len(vectors))
    clusterer.z, clusterer.link = -50.0, 1e-6  # the next repair makes one cluster of all
    events = clusterer.repair()
    assert len(clusterer.sizes()) == 1 and [event.kind for event in events] == ["merged"]
    assert {cluster_of(clusterer, micro) for micro in strangers} == {OUTLIER}


def test_a_cluster_of_nothing_but_what_was_handed_back_is_told_when_it_ends() -> None:
    clusterer, vectors, micros = grouped()
    row = next(iter(first_of_each(clusterer, micros).values()))
    clusterer.z, z = -50.0, clusterer.z
    micro = hand_back(clusterer, vectors, micros, row)
    clusterer.z, guest = z, cluster_of(clusterer, micro)
    assert guest != OUTLIER
    own = {each for each in micros if cluster_of(clusterer, each) == guest and each != micro}
    assert clusterer.forget({each: np.zeros((0, vectors.shape[1]), np.float32) for each in own}) == []
    assert LineageEvent("dissolved", guest) in clusterer.repair()
    assert cluster_of(clusterer, micro) == OUTLIER


@pytest.mark.parametrize(("groups", "each", "noise"), [(40, 24, 0.05), (60, 12, 0.1)])
def test_groups_whose_images_are_nearly_the_same_stay_apart(groups: int, each: int, noise: float) -> None:
    """Each is a micro-cluster or two, whose nearest neighbours are of other groups."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(groups, 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    truth = random.permutation(np.repeat(np.arange(groups), each))
    vectors = (centres[truth] + noise * random.normal(size=(len(truth), 64)) / 8).astype(np.float32)
    clusterer = OnlineLinkage()
    micros = np.concatenate([clusterer.learn_many(part).micros for part in np.array_split(vectors, 20)])
    clusterer.settle()
    assert len(np.unique(micros)) < 2 * groups
    assert adjusted_rand_score(truth, clusterer.labels_of(micros)) > 0.8
