"""Points followed through a shape: library, HTTP, Python and shell answer alike."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from daemon.api.app import create_app
from daemon.cli.entry import run_command
from daemon.client import Client
from daemon.correspond import MOST_POINTS, PointFinder, PointQuery
from daemon.export import export
from daemon.query import ImageQuery
from index.codec import encode_mask
from index.jobs import MESH
from index.library import Library, open_library
from index.records import CameraRecord
from index.store import Store
from index.stream.decode import decode_image
from index.tables import ARTIFACTS, CAMERAS, MASKS
from index.views import CROP_SIZE
from ops.errors import ConfigError, NotFoundError, StateError
from recon import Cameras, mesh_to_bytes
from recon.camera import Pinholes, select_cameras
from tests.library_factory import make_library
from tests.recon_scene import make_scene, true_cameras, true_mesh
from tests.test_daemon_client import over
from tests.test_daemon_query import FakeBackbone, loading

IMAGES = 6
SCENE = make_scene(IMAGES, seed=3)
MIDDLE = (CROP_SIZE / 2, CROP_SIZE / 2)


class Patches(FakeBackbone):
    """Has the features of the scene's views in `order`; those of all but the first lie one patch to the right."""

    order: tuple[int, ...] = ()

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert len(crops) == len(self.order)
        features: NDArray[np.float32] = SCENE.views.features[list(self.order)].copy()
        features[1:] = np.roll(features[1:], 1, axis=-1)
        return features


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shape 1 has the views of the scene, the last a stranger."""
    folder = make_library(tmp_path_factory.mktemp("state"))
    cameras, mesh = true_cameras(SCENE), mesh_to_bytes(true_mesh(), "ply")
    cells = ((np.arange(CROP_SIZE) + 0.5) * len(SCENE.views.masks[0]) / CROP_SIZE).astype(int)
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, MESH), mesh)
        txn.put(ARTIFACTS, (2, 1, MESH), b"ply")
        txn.put(CAMERAS, (1, 2), [record(cameras, row, float(row < IMAGES - 1)) for row in range(IMAGES)])
        for row in range(IMAGES):
            txn.put(MASKS, row, encode_mask(SCENE.views.masks[row][np.ix_(cells, cells)]))
    store.close()
    return folder


@pytest.fixture
def library(state: Path) -> Iterator[Library]:
    library = open_library(state)
    yield library
    library.close()


@pytest.fixture
def encoder() -> Patches:
    return Patches()


@pytest.fixture
def finder(library: Library, encoder: Patches) -> PointFinder:
    return PointFinder(library, ImageQuery(library, decode_image, loading(encoder, [])).backbone)


def record(cameras: Cameras, row: int, weight: float) -> CameraRecord:
    R, t, offset = (getattr(cameras, name)[row].tolist() for name in ("R", "t", "offset"))
    fov = float(np.degrees(cameras.fov[row]))
    return CameraRecord(row, tuple(map(tuple, R)), tuple(t), fov, tuple(offset), 0.1, weight)  # type: ignore[arg-type]


def pixels_by_hand(point: Any, image: int) -> NDArray[np.float64]:
    """Crop pixels of an object point by the contract of ``Cameras``."""
    eye = Pinholes.of(select_cameras(true_cameras(SCENE), np.array([image])), torch.device("cpu"))
    found: NDArray[np.float64] = ((eye.project(torch.tensor([point]))[0][0, 0] + 1) / 2 * CROP_SIZE).numpy()
    return found


def test_a_pixel_is_found_in_every_other_image(finder: PointFinder) -> None:
    found = finder(1, PointQuery(image=0, pixels=(MIDDLE,)))
    assert (found.shape, found.version, found.image, found.refined) == (1, 2, 0, False)
    (item,) = found.items
    assert item.pixel == MIDDLE and item.on_shape
    assert [place.image for place in item.places] == [0, 1, 2, 3, 4]  # not the stranger
    assert item.places[0].pixel == pytest.approx(MIDDLE, abs=0.1) and item.places[0].visible
    for place in item.places:
        assert place.pixel == pytest.approx(pixels_by_hand(item.point, place.image), abs=0.1)
        assert place.depth > 0


def test_true_correspondences_are_found(finder: PointFinder) -> None:
    """A corner of the chair's back, where the true cameras see it."""
    corner = np.array([0.25, 0.5, -0.15])
    seen = [R @ corner + t for R, t in zip(SCENE.R, SCENE.t, strict=True)]
    true = [(1 - SCENE.focal * x[:2] / x[2]) / 2 * CROP_SIZE for x in seen]
    found = finder(1, PointQuery(image=0, pixels=(tuple(true[0].tolist()),)))
    away = [np.linalg.norm(np.array(place.pixel) - true[place.image]) for place in found.items[0].places]
    assert max(away) < 0.05 * CROP_SIZE


def test_points_and_pixels_may_be_asked_together(finder: PointFinder) -> None:
    first = finder(1, PointQuery(image=1, pixels=(MIDDLE,), targets=(2,)))
    point = first.items[0].point
    both = finder(1, PointQuery(image=1, pixels=(MIDDLE,), points=(point, (0.0, 0.0, 0.0)), targets=(2, 2)))
    assert [item.pixel for item in both.items] == [MIDDLE, None, None]
    assert both.items[0].places == pytest.approx(first.items[0].places)
    assert both.items[1].places[0].pixel == pytest.approx(first.items[0].places[0].pixel, abs=1e-2)
    assert [len(item.places) for item in both.items] == [1, 1, 1]
    assert not both.items[2].places[0].visible  # the middle of the chair is inside it, or behind what is


def test_pixels_of_the_original_image(finder: PointFinder) -> None:
    box = (10.0, 20.0, 410.0, 420.0)  # of every image of the library
    there = (box[0] + 200.0, box[1] + 200.0)
    crop = finder(1, PointQuery(image=0, pixels=(MIDDLE,), targets=(3,)))
    whole = finder(1, PointQuery(image=0, pixels=(there,), targets=(3,), original=True))
    assert whole.items[0].point == pytest.approx(crop.items[0].point, abs=1e-5)
    x, y = crop.items[0].places[0].pixel
    assert whole.items[0].places[0].pixel == pytest.approx((box[0] + x * 400 / 224, box[1] + y * 400 / 224), abs=1e-3)


def test_a_pixel_beside_the_shape_is_told(finder: PointFinder) -> None:
    (item,) = finder(1, PointQuery(image=0, pixels=((0.0, 0.0),), targets=(0,))).items
    assert not item.on_shape


def test_refinement_draws_pixels_and_leaves_points(finder: PointFinder, encoder: Patches) -> None:
    pixels = tuple((float(x), float(y)) for x in (90, 112, 130) for y in (80, 112, 140))
    asked = PointQuery(image=0, pixels=pixels, points=((0.1, 0.1, 0.1),), targets=(1, 2, 3, 4))
    plain = finder(1, asked)
    encoder.order = (0, 1, 2, 3, 4)
    drawn = finder(1, replace(asked, refine=True))
    assert drawn.refined
    pairs = [
        (one, np.subtract(two.pixel, one.pixel))
        for before, after in zip(plain.items, drawn.items, strict=True)
        for one, two in zip(before.places, after.places, strict=True)
    ]
    moves = np.array([move for place, move in pairs[:-4] if place.visible])
    assert len(moves) > 5
    assert 4 < moves[:, 0].mean() < 24 and abs(moves[:, 1].mean()) < 4  # a patch is 14 pixels
    assert not any(move.any() for place, move in pairs if not place.visible)
    assert not any(move.any() for _, move in pairs[-4:])
    assert [item.point for item in plain.items] == [item.point for item in drawn.items]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (PointQuery(), "1 to 256"),
        (PointQuery(points=((0.0, 0.0, 0.0),) * (MOST_POINTS + 1)), "1 to 256"),
        (PointQuery(pixels=(MIDDLE,)), "need the image"),
        (PointQuery(points=((float("nan"), 0.0, 0.0),)), "finite"),
        (PointQuery(image=0, pixels=((1e9, 0.0),)), "finite"),
        (PointQuery(points=((0.0, 0.0, 0.0),), refine=True), "only what pixels show"),
    ],
)
def test_questions_without_an_answer_are_refused(finder: PointFinder, asked: PointQuery, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        finder(1, asked)


def test_images_without_a_camera_are_told(finder: PointFinder) -> None:
    for image in (5, 77):
        with pytest.raises(NotFoundError, match=f"no camera of image {image}"):
            finder(1, PointQuery(image=image, pixels=(MIDDLE,)))
        with pytest.raises(NotFoundError, match=f"no camera of image {image}"):
            finder(1, PointQuery(image=0, pixels=(MIDDLE,), targets=(1, image)))


def test_a_damaged_mesh_is_told(finder: PointFinder) -> None:
    with pytest.raises(StateError, match="mesh of shape 2 is damaged"):
        finder(2, PointQuery(points=((0.0, 0.0, 0.0),)))


def test_few_surfaces_are_kept(finder: PointFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.correspond._KEPT", 0)
    asked = PointQuery(points=((0.0, 0.0, 0.0),))
    assert finder(1, asked) == finder(1, asked)
    assert not finder._kept


def test_http_python_and_shell_answer_alike(
    library: Library, state: Path, finder: PointFinder, capsys: pytest.CaptureFixture[str]
) -> None:
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), []))
    app = create_app(library, query)
    asked = PointQuery(image=0, pixels=(MIDDLE,), points=((0.1, 0.2, 0.0),), targets=(1, 2))
    here = finder(1, asked)
    with Client("http://library", transport=over(app)) as client:
        assert client.correspond(1, asked) == here
        assert client.correspond(1, asked, version=2) == here
        with pytest.raises(NotFoundError, match="version 7"):
            client.correspond(1, asked, version=7)
        with pytest.raises(ConfigError, match="1 to 256"):
            client.correspond(1, PointQuery())
    assert TestClient(app).post("/v1/shapes/1/correspond", json={"pixels": [[1]]}).status_code == 422
    library.close()
    where = ["correspond", "1", "--image", "0", "--pixel", "112,112", "--to", "1", "--to", "2", "--state", str(state)]
    assert run_command([*where, "--point", "0.1,0.2,0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(here))
    assert run_command(where) == 0
    assert "112.0, 112.0" in capsys.readouterr().out
    assert run_command(["correspond", "1", "--pixel", "1;2", "--state", str(state)]) != 0
    assert "'1;2' is not --pixel X,Y" in capsys.readouterr().err


def test_coordinate_maps_are_exported(library: Library) -> None:
    archive = zipfile.ZipFile(io.BytesIO(export(library, 1, None, "coordinates")))
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    assert len(names) == 2 * 5 + 1 and len(archive.namelist()) == 3 * 5 + 1
    found = np.load(io.BytesIO(archive.read("coordinates/000000000.npy")))
    assert found.shape == (CROP_SIZE, CROP_SIZE, 3) and found.dtype == np.float16
    seen = ~np.isnan(found).any(-1)
    assert (seen & library.mask(0)).sum() / (seen | library.mask(0)).sum() > 0.9
    row, column = np.argwhere(seen)[1000]
    assert pixels_by_hand(found[row, column].tolist(), 0) == pytest.approx((column + 0.5, row + 0.5), abs=1.5)


def test_the_reverse_map_is_the_forward_one_read_backwards(library: Library) -> None:
    archive = zipfile.ZipFile(io.BytesIO(export(library, 1, None, "coordinates")))
    points, there, forward = (
        np.load(io.BytesIO(archive.read(name)))
        for name in ("points.npy", "reverse/000000000.npy", "coordinates/000000000.npy")
    )
    assert points.shape == there.shape == (2000, 3)
    shown, hidden = there[:, 2] == 1, there[:, 2] == 0
    assert shown.any() and hidden.any() and (shown | hidden).all()
    for number in (0, 700, 1900):
        assert pixels_by_hand(points[number].tolist(), 0) == pytest.approx(there[number, :2].tolist(), abs=1e-2)
    column, row = np.floor(there[:, :2]).astype(int).clip(0, CROP_SIZE - 1).T
    off = np.linalg.norm(forward[row, column].astype(np.float32) - points, axis=1)
    assert np.nanmedian(off[shown]) < 0.02, "behind the pixel where a visible point is, is that point"
    assert np.nanmedian(off[hidden]) > 0.1, "before a hidden one there is something else"
