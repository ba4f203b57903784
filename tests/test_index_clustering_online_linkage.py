"""Online linkage: order, interruption, lineage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from index.clustering.online_linkage import MIN_FIT, OnlineLinkage
from index.records import OUTLIER, MicroRecord
from ops.errors import StateError
from tests.test_index_clustering_base import blobs


class Disk:
    """What a transactional store would hold."""

    def __init__(self) -> None:
        self.micros: dict[int, MicroRecord] = {}
        self.scalars: dict[str, object] = {}

    def commit(self, clusterer: OnlineLinkage) -> None:
        self.micros |= {record.id: record for record in clusterer.changed()}
        self.scalars = clusterer.scalars()

    def restored(self) -> OnlineLinkage:
        clusterer = OnlineLinkage()
        clusterer.restore(list(self.micros.values()), self.scalars)
        return clusterer


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
    assert disk.micros == steady_disk.micros and disk.scalars == steady_disk.scalars
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
