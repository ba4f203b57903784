"""The COLMAP export as pycolmap reads it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pycolmap
import pytest
from PIL import Image

from daemon.export import export
from index.jobs import KEYPOINTS
from index.keypoints import KeypointsRecord, SightRecord
from index.library import open_library
from index.store import Store
from index.tables import ARTIFACTS
from tests.scenes import STRANGER, box_points, make_scene_library, our_pixels


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_scene_library(tmp_path / "state")


def unpacked(state: Path, folder: Path) -> Path:
    library = open_library(state)
    zipfile.ZipFile(io.BytesIO(export(library, 1, None, "colmap"))).extractall(folder)
    library.close()
    return folder


def test_points_land_where_our_cameras_put_them(state: Path, tmp_path: Path) -> None:
    model = pycolmap.Reconstruction(str(unpacked(state, tmp_path / "out") / "sparse" / "0"))
    library = open_library(state)
    ours = {camera.image: camera for camera in library.cameras(1)}
    library.close()
    assert len(model.images) == len(ours) - 1
    points = box_points()
    for image in model.images.values():
        number = int(Path(image.name).stem)
        seen = image.cam_from_world() * points
        found = np.array([model.cameras[image.camera_id].img_from_cam(point) for point in seen])
        assert np.allclose(found, our_pixels(points, ours[number]), atol=1e-3), number
        assert (seen[:, 2] > 0).all()
    assert STRANGER not in {int(Path(image.name).stem) for image in model.images.values()}


def test_points_are_the_coloured_vertices(state: Path, tmp_path: Path) -> None:
    model = pycolmap.Reconstruction(str(unpacked(state, tmp_path / "out") / "sparse" / "0"))
    corners = {tuple(np.round(point.xyz, 3)): tuple(point.color) for point in model.points3D.values()}
    assert corners[(0.5, 0.3, 0.2)] == (255, 204, 178)
    assert len(corners) == 8


def test_each_image_is_there_with_its_mask(state: Path, tmp_path: Path) -> None:
    folder = unpacked(state, tmp_path / "out")
    names = sorted(path.name for path in (folder / "images").iterdir())
    assert names == [f"{number:09d}.jpg" for number in range(5)]
    for name in names:
        with Image.open(folder / "images" / name) as crop, Image.open(folder / "masks" / f"{name}.png") as mask:
            assert crop.size == (224, 224)
            assert (mask.mode, mask.size, mask.getextrema()) == ("L", (224, 224), (255, 255))


def test_keypoints_are_points_with_observations(state: Path, tmp_path: Path) -> None:
    points = ((0.1, 0.2, 0.1), (-0.3, 0.0, 0.2), (0.0, -0.1, 0.0))
    library = open_library(state)
    ours = {camera.image: camera for camera in library.cameras(1)}
    library.close()
    sights = []
    for image, camera in ours.items():
        pixels = our_pixels(np.array(points), camera) + np.array([2.0, 0.0])
        places = tuple((float(x), float(y)) for x, y in pixels / 112 - 1)
        sights.append(SightRecord(image, places, (True, image != 2, False), ()))
    record = KeypointsRecord(points, ((0, 1),), (), 0.0, 0.0, tuple(sights))
    store = Store(state, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, KEYPOINTS), msgspec.json.encode(record))
    store.close()
    model = pycolmap.Reconstruction(str(unpacked(state, tmp_path / "out") / "sparse" / "0"))
    assert len(model.points3D) == 8 + 3
    found = {tuple(np.round(point.xyz, 3)): point for point in model.points3D.values()}
    assert [found[point].track.length() for point in points] == [5, 4, 0]  # neither hidden ones nor the stranger's
    for point in points[:2]:
        assert found[point].error == pytest.approx(2, abs=1e-3)
        for element in found[point].track.elements:
            image = model.images[element.image_id]
            seen = model.cameras[image.camera_id].img_from_cam(image.cam_from_world() * np.array(point))
            assert image.points2D[element.point2D_idx].xy - seen == pytest.approx((2, 0), abs=1e-2)
            assert image.points2D[element.point2D_idx].point3D_id == next(
                number for number, each in model.points3D.items() if np.allclose(each.xyz, point)
            )
