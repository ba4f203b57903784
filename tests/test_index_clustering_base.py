"""What every clusterer has to do, whichever it is; and the small helpers of the interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from river.base import Clusterer
from river.checks import common
from sklearn.metrics import adjusted_rand_score

from index.clustering import CLUSTERERS, OUTLIER, OnlineClusterer, make_clusterer
from index.clustering.base import FeatureColumns, MicroChanges, unit_rows
from ops.errors import NotFoundError, StateError

NOTHING = MicroChanges([], {})
# DBSTREAM compares raw directions, which the shared offset of `blobs` brings close to each other.
SETTINGS = {"dbstream": {"clustering_threshold": 0.3}}


def blobs(
    groups: int = 6, each: int = 30, dim: int = 24, noise: float = 0.12, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Shuffled vectors around orthogonal directions that share an offset, as descriptors do, and their groups."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.repeat(np.arange(groups), each))
    centres = np.eye(groups, dim) + 0.3
    return (centres[truth] + random.normal(0, noise, (len(truth), dim))).astype(np.float32), truth


@pytest.fixture(params=sorted(CLUSTERERS))
def clusterer(request: pytest.FixtureRequest) -> OnlineClusterer:
    return make_clusterer(request.param, **SETTINGS.get(request.param, {}))


class _Rows:
    """A dataset for river's checks, small enough for DBSTREAM."""

    def __iter__(self) -> Iterator[tuple[dict[str, float], None]]:
        random = np.random.default_rng(3)
        for centre in np.eye(3, 6)[random.integers(0, 3, 60)]:
            row = centre + random.normal(0, 0.05, 6)
            yield dict(zip("abcdef", row.tolist(), strict=True)), None


def test_is_a_river_clusterer(clusterer: OnlineClusterer) -> None:
    assert isinstance(clusterer, Clusterer)


def test_passes_rivers_estimator_checks(clusterer: OnlineClusterer) -> None:
    from river.checks import check_estimator

    check_estimator(clusterer)


def test_what_it_takes_grows_with_what_it_keeps(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs(each=60, noise=0.3)
    clusterer.learn_many(vectors[:80])
    before = clusterer.size_bytes()
    assert before >= 4 * vectors.shape[1] * len(clusterer.changed().records) > 0
    clusterer.learn_many(vectors[80:])
    assert clusterer.size_bytes() > before


@pytest.mark.parametrize(
    "check",
    [
        common.check_learn_one,
        common.check_pickling,
        common.check_shuffle_features_no_impact,
        common.check_emerging_features,
        common.check_disappearing_features,
        common.check_radically_disappearing_features,
        common.check_predict_one_before_any_learn,
        common.check_no_state_aliasing_with_input,
        common.check_clone_is_independent,
    ],
)
def test_passes_rivers_checks_on_data(
    clusterer: OnlineClusterer, check: Callable[[OnlineClusterer, _Rows], None]
) -> None:  # river itself has no data for clusterers
    check(clusterer.clone(), _Rows())


def test_separate_groups_become_clusters(clusterer: OnlineClusterer) -> None:
    vectors, truth = blobs(noise=0.05)
    micros = clusterer.learn_many(vectors).micros
    clusterer.repair()
    labels = clusterer.labels_of(micros)
    assert adjusted_rand_score(truth, labels) == 1.0
    assert clusterer.n_clusters == 6
    assert clusterer.sizes() == {label: 30 for label in set(labels.tolist())}


def test_every_vector_is_in_exactly_one_micro_cluster(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs()
    micros = np.concatenate([clusterer.learn_many(part).micros for part in np.array_split(vectors, 9)])
    records = {record.id: record.count for record in clusterer.changed().records}
    assert records == dict(zip(*(a.tolist() for a in np.unique(micros, return_counts=True)), strict=True))


def test_batches_do_not_matter(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs(noise=0.04)
    other = clusterer.clone()
    whole = clusterer.learn_many(vectors)
    parts = [other.learn_many(vectors[i : i + 7]) for i in range(0, len(vectors), 7)]
    assert np.array_equal(whole.micros, np.concatenate([part.micros for part in parts]))
    assert clusterer.changed() == other.changed()
    assert clusterer.scalars() == other.scalars()


def test_learn_one_is_learn_many_row_by_row(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs(groups=3, each=15)
    other = clusterer.clone()
    clusterer.learn_many(vectors)
    for vector in vectors:
        other.learn_one(dict(enumerate(vector.tolist())))
    assert clusterer.changed() == other.changed()
    rows = [dict(enumerate(vector.tolist())) for vector in vectors]
    assert [other.predict_one(row) for row in rows] == clusterer.predict_many(vectors).clusters.tolist()


def test_prediction_changes_nothing(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs(groups=3, each=20)
    clusterer.learn_many(vectors)
    clusterer.repair()
    clusterer.changed()
    before = clusterer.scalars()
    predicted = clusterer.predict_many(vectors)
    assert clusterer.changed() == NOTHING and clusterer.scalars() == before
    assert predicted.strengths.min() >= 0 and predicted.strengths.max() <= 1
    assert (predicted.strengths[predicted.clusters == OUTLIER] == 0).all()


def test_repair_keeps_ids_and_is_silent_when_nothing_changed(clusterer: OnlineClusterer) -> None:
    vectors, _ = blobs(noise=0.05)
    micros = clusterer.learn_many(vectors).micros
    clusterer.repair()
    before = clusterer.labels_of(micros)
    assert clusterer.repair() == []
    assert np.array_equal(clusterer.labels_of(micros), before)


def test_nothing_learnt_yet(clusterer: OnlineClusterer) -> None:
    assert clusterer.repair() == [] and clusterer.changed() == NOTHING and clusterer.sizes() == {}
    assert clusterer.predict_many(np.ones((2, 4), np.float32)).clusters.tolist() == [OUTLIER, OUTLIER]
    assert len(clusterer.learn_many(np.zeros((0, 4), np.float32)).micros) == 0


def test_another_dimension_is_refused_and_leaves_no_trace(clusterer: OnlineClusterer) -> None:
    clusterer.learn_many(np.eye(4, dtype=np.float32))
    clusterer.changed()
    with pytest.raises(StateError, match="4 numbers, not 5"):
        clusterer.learn_many(np.eye(5, dtype=np.float32))
    assert clusterer.changed() == NOTHING


def test_unknown_micro_clusters_are_not_found(clusterer: OnlineClusterer) -> None:
    clusterer.learn_many(np.eye(4, dtype=np.float32))
    for wrong in (-1, 4):
        with pytest.raises(NotFoundError):
            clusterer.labels_of(np.array([wrong]))


def test_feature_columns_follow_names_not_order() -> None:
    columns = FeatureColumns()
    assert columns.learn({"b": 2.0, "a": 1.0}).tolist() == [[1.0, 2.0]]
    assert columns.learn({"c": 3.0}).tolist() == [[0.0, 0.0, 3.0]]
    assert columns.vector({"z": 9.0, "b": 2.0}).tolist() == [[0.0, 2.0, 0.0]]


def test_unit_rows_leave_zeros() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert np.allclose(rows, [[0.6, 0.8], [0.0, 0.0]]) and rows.dtype == np.float32
