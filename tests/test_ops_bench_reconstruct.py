from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ops.bench import reconstruct as benchmark
from ops.bench.reconstruct import Settings, find_views, read_pictures, run
from ops.bench.truth import load_truth
from ops.errors import NotFoundError, SourceError
from ops.synth.shards import write_shards
from recon import Alternatives, Cameras, Mesh, Quality, ReconConfig, Reconstruction, Shape, Views
from tests.patch_encoder import PatchEncoder


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
    views = find_views(PatchEncoder(), pictures)  # type: ignore[arg-type]
    assert views.ids.tolist() == [0, 2]
    assert np.allclose(views.flipped_features, views.features[..., ::-1])
    with pytest.raises(SourceError, match="no object"):
        find_views(PatchEncoder(), [np.zeros_like(pictures[0])])  # type: ignore[arg-type]


@pytest.fixture
def perfect_chairs(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    """Reconstructions of chairs are the truth by our recipe and half-turned by the other; of lamps there are none."""
    truth = load_truth(data)
    calls: list[tuple[int, int, str]] = []
    chairs = [image.camera for image in truth.of_shape("chair-00")]
    first = read_pictures(data / "shards", [truth.of_shape("chair-00")[0].key])[truth.of_shape("chair-00")[0].key]
    seen: list[bool] = []

    def perfect(views: Views, config: ReconConfig, *, seed: int, device: str) -> Reconstruction:
        calls.append((len(views), seed, config.recipe))
        if not seen[-1]:
            return Reconstruction("thin_evidence", "a lamp", views.ids, None)
        count = len(views)
        R = np.stack([camera.R for camera in chairs if camera is not None]).astype(np.float32)
        R = np.concatenate([R, np.tile(np.eye(3, dtype=np.float32), (count - 8, 1, 1))])
        weight = np.array([0.0] + [1.0] * 7 + [0.0] * (count - 8), np.float32)
        R[0] = R[0] @ np.diag([-1, 1, -1])
        mesh = truth.mesh("chair-00")
        points = np.asarray(mesh.vertices) * ([1, 1, 1] if config.recipe == "shapelode" else [1, 0.3, 1])
        surface = Mesh(points, np.asarray(mesh.faces), np.zeros((len(points), 3)))
        zeros = np.zeros(count, np.float32)
        loss = np.linspace(0.2, 0.1, count, dtype=np.float32)
        nothing = (np.zeros((count, 0, *shape), np.float32) for shape in ((3, 3), (3,), (), (2,), ()))
        sure = Alternatives(np.linspace(0.5, 0.9, count, dtype=np.float32), *nothing)
        found = Cameras(R, np.zeros((count, 3)), zeros, np.zeros((count, 2)), loss, weight, alternatives=sure)
        quality = Quality(0.1 if config.recipe == "shapelode" else 0.6, 1, 0, 8)
        return Reconstruction("shape", "", views.ids, Shape(found, None, surface, quality))  # type: ignore[arg-type]

    def found_in(backbone: PatchEncoder, pictures: Sequence[np.ndarray]) -> Views:
        seen.append(np.array_equal(pictures[0], first))
        return find_views(backbone, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(benchmark, "reconstruct", perfect)
    monkeypatch.setattr(benchmark, "find_views", found_in)
    monkeypatch.setattr(benchmark, "load_backbone", lambda name, device, precision: PatchEncoder())
    return calls


def test_what_is_reconstructed_is_judged_by_its_own_shape(
    data: Path, perfect_chairs: list[tuple[int, int, str]]
) -> None:
    lines: list[str] = []
    report = run(data, Settings(seeds=(4,)), lines.append)
    found = {measure.name: measure for measure in report.measures}
    assert perfect_chairs == [(8, 4, "shapelode"), (8, 4, "3dminer")] * 2
    assert found["rotation error > 120°"].value == 0
    assert found["F-score at 0.05"].value > 0.99
    assert found["F-score at 0.05"].baselines["3DMiner recipe"] < 0.7
    assert found["chair-00: F-score (0°, 1.00 < 30°)"].baselines["sphere"] < 0.6
    sure = found["share of cameras that should be right"]
    assert sure.value == pytest.approx(np.linspace(0.5, 0.9, 8)[1:].mean()) and sure.baselines == {"right": 1.0}
    assert report.facts["verdicts"] == "shape 1, thin_evidence 1"
    assert (report.facts["shapes"], report.facts["with a shape"]) == (2, 1)
    assert report.facts["3DMiner recipe, with a shape"] == "1 of 2"
    assert [line.split(";")[0].rpartition(",")[0] for line in lines] == [
        "chair-00, shapelode, seed 4: shape", "chair-00, 3dminer, seed 4: shape",
        "lamp-00, shapelode, seed 4: thin_evidence", "lamp-00, 3dminer, seed 4: thin_evidence",
    ]  # fmt: skip
    assert "0°, 1.00 under 30°, F 1.00" in lines[0]


def test_strangers_are_counted_apart_and_seeds_all_tried(
    data: Path, perfect_chairs: list[tuple[int, int, str]]
) -> None:
    report = run(data, Settings(shapes=["chair-00"], seeds=(0, 1), rival=False, strangers=0.5))
    found = {measure.name: measure for measure in report.measures}
    assert perfect_chairs == [(count, seed, "shapelode") for count in (8, 12) for seed in (0, 1)]
    assert found["F-score with strangers"].baselines["without"] == pytest.approx(found["F-score with strangers"].value)
    assert found["strangers rejected"].value == 1 and found["strangers rejected"].baselines["members rejected"] == 1 / 8
    assert report.facts["strangers for each image"] == 0.5


def test_unknown_shapes_are_refused_before_anything_is_loaded(data: Path) -> None:
    with pytest.raises(NotFoundError, match="no shape chair-99"):
        run(data, Settings(shapes=["chair-99"], backbone="not loaded"))
