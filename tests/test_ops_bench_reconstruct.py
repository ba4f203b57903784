from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from index.views import CROP_SIZE, ObjectView
from ops.bench import reconstruct as benchmark
from ops.bench.reconstruct import Settings, find_views, read_pictures, run
from ops.bench.truth import load_truth
from ops.errors import NotFoundError, RejectError, SourceError
from ops.synth.shards import write_shards
from recon import Cameras, Mesh, Quality, Reconstruction, Shape, Views


class _Encoder:
    """Sees an object in the middle of every image but pitch-black ones; a feature is a patch's mean colour."""

    def embed(self, pictures: Sequence[np.ndarray]) -> list[ObjectView | RejectError]:
        return [self._view(picture) for picture in pictures]

    def patches(self, crops: np.ndarray) -> np.ndarray:
        blocks = crops.reshape(len(crops), 4, CROP_SIZE // 4, 4, CROP_SIZE // 4, 3).mean((2, 4))
        return blocks.transpose(0, 3, 1, 2).astype(np.float32)

    def viewpoints(self, *arrays: np.ndarray) -> None:
        return None

    def _view(self, picture: np.ndarray) -> ObjectView | RejectError:
        if not picture.any():
            return RejectError("no_foreground", "black")
        side = len(picture)
        cells = np.arange(CROP_SIZE) * side // CROP_SIZE
        mask = np.zeros((CROP_SIZE, CROP_SIZE), dtype=bool)
        mask[50:150, 50:150] = True
        return ObjectView(
            np.ones(1, np.float32), picture[np.ix_(cells, cells)], mask, (0, 0, side, side), (side, side), 0.2
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=8, size=64)
    return folder


def test_pictures_are_found_by_key_over_all_shards(data: Path) -> None:
    keys = sorted(load_truth(data).images)[::3]
    pictures = read_pictures(data / "shards", keys)
    assert sorted(pictures) == keys
    assert all(picture.shape == (64, 64, 3) for picture in pictures.values())
    with pytest.raises(SourceError, match="1 of 2 images are missing, such as nokey"):
        read_pictures(data / "shards", [keys[0], "nokey"])


def test_views_keep_the_places_of_images_with_an_object(data: Path) -> None:
    pictures = list(read_pictures(data / "shards", sorted(load_truth(data).images)[:3]).values())
    pictures[1] = np.zeros_like(pictures[1])
    views = find_views(_Encoder(), pictures)  # type: ignore[arg-type]
    assert views.ids.tolist() == [0, 2]
    assert np.allclose(views.flipped_features, views.features[..., ::-1])
    with pytest.raises(SourceError, match="no object"):
        find_views(_Encoder(), [np.zeros_like(pictures[0])])  # type: ignore[arg-type]


def test_what_is_reconstructed_is_judged_by_its_own_shape(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, calls = load_truth(data), []

    def perfect_chairs(views: Views, config: object, *, seed: int, device: str) -> Reconstruction:
        calls.append((len(views), seed, device))
        if len(calls) == 2:
            return Reconstruction("thin_evidence", "a lamp", views.ids, None)
        cameras = [image.camera for image in truth.of_shape("chair-00")]
        R = np.stack([camera.R for camera in cameras if camera is not None]).astype(np.float32)
        zeros, weight = np.zeros(8, np.float32), np.array([0.0] + [1.0] * 7, np.float32)
        R[0] = R[0] @ np.diag([-1, 1, -1])
        mesh = truth.mesh("chair-00")
        surface = Mesh(np.asarray(mesh.vertices), np.asarray(mesh.faces), np.zeros((len(mesh.vertices), 3)))
        found = Cameras(R, np.zeros((8, 3)), zeros, np.zeros((8, 2)), zeros, weight)
        return Reconstruction(
            "shape",
            "",
            views.ids,
            Shape(found, None, surface, Quality(0, 1, 0, 8)),  # type: ignore[arg-type]
        )

    monkeypatch.setattr(benchmark, "reconstruct", perfect_chairs)
    monkeypatch.setattr(benchmark, "load_backbone", lambda name, device: _Encoder())
    lines: list[str] = []
    report = run(data, Settings(seed=4), lines.append)
    found = {measure.name: measure for measure in report.measures}
    assert calls == [(8, 4, "cpu")] * 2
    assert found["rotation error > 120°"].value == 0
    assert found["F-score at 0.05"].value > 0.99
    assert found["chair-00: F-score (0°)"].baselines["sphere"] < 0.6
    assert report.facts["verdicts"] == "shape 1, thin_evidence 1"
    assert (report.facts["shapes"], report.facts["with a shape"]) == (2, 1)
    assert [line.split(",")[0] for line in lines] == ["chair-00: shape", "lamp-00: thin_evidence"]


def test_unknown_shapes_are_refused_before_anything_is_loaded(data: Path) -> None:
    with pytest.raises(NotFoundError, match="no shape chair-99"):
        run(data, Settings(shapes=["chair-99"], backbone="not loaded"))
