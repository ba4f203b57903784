from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.curation import ClusterEdit
from index.library import open_library
from tests.batches import open_ingest, stream
from tests.library_factory import Plan, direction, make_library


def test_means_are_unit_vectors_near_their_clusters_largest_first(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path, Plan(sizes=(2, 6, 4), versions=(0, 1, 2))))
    found, means = library.centroids(10)
    assert [(cluster, record.size, record.version) for cluster, record in found] == [(2, 6, 1), (3, 4, 2), (1, 2, 0)]
    assert np.linalg.norm(means, axis=1) == pytest.approx(1, abs=1e-5)
    assert all(means[row] @ direction(cluster) > 0.9 for row, (cluster, _) in enumerate(found))
    assert [cluster for cluster, _ in library.centroids(2)[0]] == [2, 3]
    library.close()


def test_a_mean_is_over_several_images_and_hidden_clusters_have_none(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 80, 16):
        ingest.commit(one)
    ingest.settle()
    ingest.close()
    library = open_library(tmp_path)
    found, means = library.centroids(100)
    vectors = dict(library.vectors())
    members = {c: [image.id for image in library.members(c, limit=1000).items] for c, _ in found}
    library.close()
    assert len(found) >= 2
    for (cluster, _), mean in zip(found, means, strict=True):
        alone = max(float(mean @ vectors[image]) for image in members[cluster])
        assert alone < 0.9999, "the mean is no single image"
        assert mean @ np.mean([vectors[image] for image in members[cluster]], axis=0) > 0.8
    ingest = open_ingest(tmp_path)
    ingest.edit(ClusterEdit(found[0][0], hidden=True))
    ingest.close()
    library = open_library(tmp_path)
    assert [cluster for cluster, _ in library.centroids(100)[0]] == [cluster for cluster, _ in found[1:]]
    library.close()


def test_a_library_without_clusters_has_none(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path, Plan(sizes=(), versions=(), outliers=1)))
    found, means = library.centroids(10)
    assert found == [] and means.shape == (0, 0)
    library.close()
