from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.bench.hull import project
from ops.bench.truth import Truth, load_truth, to_pytorch3d
from ops.errors import NotFoundError, SourceError
from ops.synth.shards import write_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data")
    write_shards(place, shapes=2, views=3, size=64)
    return place


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return load_truth(folder)


def test_both_layouts_are_read_alike(folder: Path, truth: Truth) -> None:
    direct = load_truth(folder / "truth")
    assert direct.images.keys() == truth.images.keys()
    assert truth.shapes == ["chair-00", "lamp-00"]
    assert [len(truth.of_shape(shape)) for shape in truth.shapes] == [3, 3]


def test_converted_cameras_put_meshes_onto_their_masks(truth: Truth) -> None:
    for image in truth.images.values():
        assert image.camera is not None
        assert np.linalg.det(image.camera.R) == pytest.approx(1)
        vertices = np.asarray(truth.mesh(image.shape).vertices)
        seen = vertices @ image.camera.R.T + image.camera.t
        assert seen[:, 2].min() > 0
        points, mask = project(vertices, image.camera) * 64, truth.mask(image.key)
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.allclose(box, [*points.min(0), *points.max(0)], atol=2)


def test_conversion_is_its_own_inverse() -> None:
    R, t = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0], np.array([1.0, 2, 3])
    back = to_pytorch3d(*to_pytorch3d(R, t))
    assert np.allclose(back[0], R) and np.allclose(back[1], t)
    assert to_pytorch3d(R, t)[1].tolist() == [-1, 2, -3]


def test_categories_stand_in_for_shapes(tmp_path: Path) -> None:
    (tmp_path / "truth.jsonl").write_text('{"key": "1", "category": "cow"}\n')
    image = load_truth(tmp_path).images["1"]
    assert (image.shape, image.background, image.camera) == ("cow", "", None)


def test_what_is_missing_is_named(truth: Truth, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no truth can be read"):
        load_truth(tmp_path)
    with pytest.raises(NotFoundError, match="no mask of image x"):
        truth.mask("x")
    with pytest.raises(NotFoundError, match="no mesh of shape x"):
        truth.mesh("x")
