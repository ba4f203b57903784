from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ops.bench import correspond as benchmark
from ops.bench.correspond import Settings, Track, crop_cameras, find_objects, neighbours, pck, run
from ops.bench.hull import hull_of_shape, project
from ops.bench.reconstruct import read_pictures
from ops.bench.truth import Truth, load_truth
from ops.errors import NotFoundError, SourceError
from ops.synth.shards import write_shards
from recon import Mesh, Reconstruction, Views
from recon.camera import Pinholes
from recon.correspond import Looks
from tests.patch_encoder import PatchEncoder
from tests.recon_scene import make_scene, true_result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=5, size=64)
    return folder


def cameras_of(truth: Truth, name: str) -> list[benchmark.TrueCamera]:
    return [image.camera for image in truth.of_shape(name) if image.camera is not None]


def test_cameras_of_crops_see_points_where_the_images_have_them(data: Path) -> None:
    truth = load_truth(data)
    cameras = cameras_of(truth, truth.shapes[0])
    boxes = torch.tensor([[0.1, 0.2, 0.5], [-0.1, 0.0, 1.3], [0.0, 0.0, 1.0], [0.3, 0.3, 0.4], [0.2, 0.1, 0.6]])
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (7, 3))
    image, _ = Pinholes.of(crop_cameras(cameras, boxes), torch.device("cpu")).project(torch.tensor(points).float())
    for row, camera in enumerate(cameras):
        whole = (image[row].numpy() + 1) / 2 * float(boxes[row, 2]) + boxes[row, :2].numpy()
        assert np.allclose(whole, project(points, camera), atol=1e-4)


def test_pck_counts_what_is_near_enough() -> None:
    track = Track(0, 1, torch.zeros(3, 2), torch.zeros(3, 2), 0.1)
    found = torch.tensor([[0.0, 0.09], [0.0, 0.11], [0.5, 0.0]])
    assert pck([found, torch.zeros(3, 2)], [track, track]) == pytest.approx(4 / 6)


def test_neighbours_are_what_looks_most_alike() -> None:
    features = torch.rand(2, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    features[1] = features[0].roll(4, dims=-1)  # four patches of 0.125 to the right
    masks = torch.ones(2, 32, 32)
    masks[1, :, 16:] = 0
    given = (torch.tensor([[-0.5, 0.0], [-0.25, 0.25], [0.1, -0.4]]) * 8).floor() / 8 + 1 / 16
    track = Track(0, 1, given, given, 0.1)
    looks = Looks.of(features, masks)
    assert (neighbours(looks, track, False) - given - torch.tensor([0.5, 0.0])).norm(dim=1).max() < 0.06
    assert (neighbours(looks, track, True)[:, 0] < 0.05).all()


def test_flawless_cameras_find_nearly_all_and_are_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = load_truth(data)
    name = truth.shapes[0]
    asked: list[int] = []

    def flawless(views: Views, *_: object, **__: object) -> Reconstruction:
        asked.append(len(views))
        found = true_result(make_scene(len(views)))
        hull = hull_of_shape(truth, name)
        vertices, faces = np.asarray(hull.vertices, np.float32), np.asarray(hull.faces, np.int32)
        body = Mesh(vertices, faces, np.zeros((len(vertices), 3), np.uint8))
        whole = torch.tensor([[0.0, 0.0, 1.0]]).repeat(len(views), 1)
        assert found.shape is not None
        cameras = crop_cameras(cameras_of(truth, name), whole)
        return replace(found, shape=replace(found.shape, cameras=cameras, mesh=body))

    monkeypatch.setattr(benchmark, "load_backbone", lambda name: PatchEncoder())
    monkeypatch.setattr(benchmark, "reconstruct", flawless)
    told: list[str] = []
    settings = Settings([name], targets=2, points=10, keep=tmp_path / "kept")
    report = run(data, settings, told.append)
    first = report.measures[0]
    assert first.value == first.baselines[benchmark.ORACLE] > 0.9
    assert first.value > first.baselines[benchmark.PLAIN]
    assert len(told) == 1 and told[0].startswith(name)
    again = run(data, settings)
    assert asked == [5] and [measure.value for measure in again.measures] == [m.value for m in report.measures]


def test_a_shape_that_was_not_found_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "load_backbone", lambda name: PatchEncoder())
    nothing = Reconstruction("thin_evidence", "too thin", np.arange(5), None)
    monkeypatch.setattr(benchmark, "reconstruct", lambda *_, **__: nothing)
    told: list[str] = []
    report = run(data, Settings([load_truth(data).shapes[0]]), told.append)
    assert not report.measures and report.facts["with a shape"] == 0
    assert "too thin" in told[0]


def test_what_is_not_there_is_told(data: Path) -> None:
    with pytest.raises(NotFoundError, match="no shape teapot"):
        run(data, Settings(["teapot"]))
    pictures = list(read_pictures(data / "shards", sorted(load_truth(data).images)[:2]).values())
    black = [np.zeros_like(picture) for picture in pictures]
    with pytest.raises(SourceError, match="no object"):
        find_objects(PatchEncoder(), ["a", "b"], black)  # type: ignore[arg-type]
    seen = find_objects(PatchEncoder(), ["a", "b"], [black[0], pictures[1]])  # type: ignore[arg-type]
    assert seen.keys == ["b"] and seen.boxes.tolist() == [[0.0, 0.0, 1.0]]
