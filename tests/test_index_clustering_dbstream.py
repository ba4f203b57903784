"""river's DBSTREAM as a clusterer of ours."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.dbstream import DBStream
from ops.errors import StateError
from tests.test_index_clustering_base import blobs


def test_replay_gives_the_same_state() -> None:
    vectors, _ = blobs(groups=4, each=20)
    first, second = DBStream(), DBStream()
    for begin in range(0, len(vectors), 20):
        first.learn_many(vectors[begin : begin + 20])
        first.repair()
    for number, vector in enumerate(vectors, start=1):
        second.learn_many(vector[None])
        if number % 20 == 0:
            second.repair()
    changes = first.changed()
    assert changes == second.changed() and changes.records


def test_records_are_not_enough() -> None:
    with pytest.raises(StateError, match="learning the stored vectors again"):
        DBStream().restore([], {}, lambda micros: np.zeros((len(micros), 0), np.float32))


def test_a_number_used_again_by_river_is_another_micro_cluster() -> None:
    # Everything fades at once, so river forgets each micro-cluster and starts again from 0.
    clusterer = DBStream(clustering_threshold=0.1, fading_factor=5.0, cleanup_interval=2)
    vectors = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    micros = clusterer.learn_many(vectors).micros
    assert len(clusterer._model.micro_clusters) < 4  # the fault fired: river has forgotten some
    groups = [set(micros[i : i + 3].tolist()) for i in range(0, 12, 3)]
    assert all(not a & b for i, a in enumerate(groups) for b in groups[i + 1 :])
