"""Queries that ask from where an image was taken, over a shape that was really reconstructed."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from daemon.api.app import create_app
from daemon.cli.entry import run_command
from daemon.query import ImageQuery
from daemon.registration import viewpoint
from index.jobs import FIELD
from index.library import Library, open_library
from index.store import Store
from index.stream.decode import decode_image
from index.tables import ARTIFACTS
from index.views import CROP_SIZE, ObjectView
from ops.errors import StateError
from recon.geometry import rotation
from recon.types import Viewpoints
from tests.library_factory import direction, make_library, png
from tests.recon_scene import cold_result, make_scene, rotation_errors
from tests.test_daemon_query import FakeBackbone, loading

NEW = 4


class SceneBackbone(FakeBackbone):
    """Sees view ``blue`` of a scene in an image of the cluster ``red``."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = make_scene(NEW, seed=11)
        self.shown = 0

    def _view(self, image: NDArray[np.uint8]) -> ObjectView:
        self.shown = int(image[0, 0, 2])
        crop, mask = (_enlarged(getattr(self.scene.views, name)[self.shown]) for name in ("crops", "masks"))
        return ObjectView(direction(int(image[0, 0, 0])), crop, mask, (0, 0, 32, 32), (64, 64), 0.5)

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        straight = np.array_equal(crops[0], _enlarged(self.scene.views.crops[self.shown]))
        views = self.scene.views
        found: NDArray[np.float32] = (views.features if straight else views.flipped_features)[self.shown][None]
        return found

    def viewpoints(self, *_: Any) -> Viewpoints | None:
        return None


def _enlarged(pixels: NDArray[Any]) -> NDArray[Any]:
    cells = ((np.arange(CROP_SIZE) + 0.5) * len(pixels) / CROP_SIZE).astype(int)
    return pixels[np.ix_(cells, cells)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_library(tmp_path_factory.mktemp("state"))
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, FIELD), cold_result()[1].to_bytes())
    store.close()
    return folder


@pytest.fixture
def library(state: Path) -> Iterator[Library]:
    library = open_library(state)
    yield library
    library.close()


def photo(cluster: int, view: int) -> bytes:
    return png((cluster, 0, view))


def test_the_camera_of_a_new_image_is_found(library: Library) -> None:
    backbone = SceneBackbone()
    query = ImageQuery(library, decode_image, loading(backbone, []))
    scene, result = cold_result()
    assert result.shape is not None
    found = [query(photo(1, view), register=1).items[0].registration for view in range(NEW)]
    R = np.concatenate([result.shape.cameras.R, [each.R for each in found if each]]).astype(float)
    errors = rotation_errors(R, np.concatenate([scene.R, backbone.scene.R]))[24:]
    assert np.median(errors) < 25
    for each in found:
        assert each is not None and 0 < each.loss < 1 and each.box == (0, 0, 32, 32)
        assert each.certainty is not None and 0 < each.certainty < 1
        assert each.certainty + sum(other.weight for other in each.alternatives) <= 1
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(each.overlay))))
        assert picture.shape == (CROP_SIZE, CROP_SIZE, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def test_nothing_is_registered_unless_asked_for(library: Library) -> None:
    query = ImageQuery(library, decode_image, loading(SceneBackbone(), []))
    assert [match.registration for match in query(photo(1, 0)).items] == [None] * 3


def test_a_field_that_is_damaged_is_told(library: Library) -> None:
    query = ImageQuery(library, decode_image, loading(SceneBackbone(), []))
    with pytest.raises(StateError, match="shape 2 can't be registered to"):
        query(photo(2, 0), register=1)


def test_over_http_and_in_the_shell(
    library: Library, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = ImageQuery(library, decode_image, loading(SceneBackbone(), []))
    client = TestClient(create_app(library, query))
    best = client.post("/v1/query?register=1", files={"image": photo(1, 1)}).json()["items"][0]
    library.close()
    monkeypatch.setattr("daemon.query._load", lambda name: SceneBackbone())
    (tmp_path / "photo.png").write_bytes(photo(1, 1))
    command = ["query", str(tmp_path / "photo.png"), "--state", str(state), "--overlay", str(tmp_path / "over.png")]
    assert run_command([*command, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["items"][0]
    assert shown["registration"]["R"] == best["registration"]["R"]
    assert (tmp_path / "over.png").read_bytes() == base64.b64decode(best["registration"]["overlay"])
    assert run_command(command) == 0
    told = capsys.readouterr().out
    assert "azimuth" in told and "% sure" in told


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (90.0, 20.0), (200.0, -10.0), (359.0, 60.0)])
def test_a_viewpoint_is_told_in_degrees(azimuth: float, elevation: float) -> None:
    import torch

    R = rotation(torch.tensor([np.radians(azimuth), np.radians(elevation), 0.1])).numpy()
    assert viewpoint(R) == pytest.approx((azimuth, elevation), abs=1e-3)
