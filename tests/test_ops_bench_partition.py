from __future__ import annotations

import numpy as np
import pytest

from ops.bench.partition import alone, majority, offline_clusterings, score_partition

TRUE = ["a"] * 4 + ["b"] * 4


def test_a_perfect_partition_scores_one_whatever_its_names() -> None:
    score = score_partition(TRUE, [7, 7, 7, 7, 2, 2, 2, 2])
    assert (score.ari, score.nmi, score.purity) == (1, pytest.approx(1), 1)
    assert (score.clusters, score.largest, score.clustered) == (2, 0.5, 1)


def test_one_big_cluster_scores_nothing() -> None:
    score = score_partition(TRUE, [0] * 8)
    assert (score.ari, score.nmi, score.purity, score.largest) == (0, 0, 0.5, 1)


def test_images_in_no_cluster_do_not_form_one() -> None:
    score = score_partition(TRUE, [1, 1, 1, None, None, -1, None, None])
    assert (score.clusters, score.purity, score.clustered) == (1, 1, 3 / 8)
    assert score.ari < 0.5
    lumped = score_partition(TRUE, [1, 1, 1, 0, 0, 0, 0, 0])
    assert lumped.ari > score.ari


def test_alone_keeps_members_together_and_the_rest_apart() -> None:
    assert alone([5, None, 5, -1]).tolist() == [0, 1, 0, 2]


def test_majority_is_deterministic() -> None:
    assert majority(["b", "a", "b"]) == "b"
    assert majority(["b", "a"]) == "a"


def test_offline_methods_find_well_separated_groups() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 16), 20, axis=0)
    vectors = (centres + 0.05 * rng.normal(size=centres.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = [str(index // 20) for index in range(60)]
    for name, labels in offline_clusterings(vectors, 3).items():
        assert score_partition(truth, labels.tolist()).ari > 0.9, name
