from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.library import open_library
from ops.bench.masks import iou
from ops.bench.snapshot import every, image_mask, published_shapes, take_snapshot
from ops.bench.truth import Truth, load_truth
from ops.errors import StateError
from ops.synth.shards import write_shards
from tests.bench_library import write_library


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=6, size=96)
    return load_truth(folder)


@pytest.fixture(scope="module")
def state(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    write_library(folder, truth, strays=2)
    return folder


def test_every_image_comes_with_its_vector_and_cluster(truth: Truth, state: Path) -> None:
    snapshot = take_snapshot(open_library(state), truth)
    assert {image.key for image in snapshot.images} == truth.images.keys()
    assert snapshot.clusters[:2] == [None, None]
    for image, vector in zip(snapshot.images[2:], snapshot.vectors[2:], strict=True):
        assert truth.shapes[image.cluster or 0] == truth.images[image.key].shape
        assert vector.argmax() == image.cluster


def test_masks_are_laid_back_into_the_image(truth: Truth, state: Path) -> None:
    library = open_library(state)
    for image in take_snapshot(library, truth).images:
        assert iou(image_mask(library, image), truth.mask(image.key)) > 0.95


def test_published_shapes_stand_for_the_majority_of_their_cluster(truth: Truth, state: Path) -> None:
    library = open_library(state)
    snapshot = take_snapshot(library, truth)
    shapes = published_shapes(library, snapshot, truth)
    assert sorted(shape.shape for shape in shapes) == truth.shapes
    assert sum(shape.weight for shape in shapes) == len(truth.images) - 2
    for shape in shapes:
        assert len(shape.keys) == len(shape.R) == shape.weight
        camera = truth.images[shape.keys[0]].camera
        assert camera is not None and np.allclose(shape.R[0], camera.R)
        assert shape.mesh.vertices.shape == truth.mesh(shape.shape).vertices.shape


def test_pages_are_followed_to_the_end(state: Path) -> None:
    library = open_library(state)
    assert [image.id for image in every(lambda after: library.images(after=after, limit=5))] == list(range(12))


def test_a_library_of_other_images_is_refused(state: Path) -> None:
    with pytest.raises(StateError, match="no image of these data"):
        take_snapshot(open_library(state), Truth({}, {}, state))
