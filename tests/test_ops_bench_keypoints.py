from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ops.bench import correspond
from ops.bench.correspond import Settings, crop_cameras
from ops.bench.keypoints import CHANCE, NEIGHBOURS, PROJECTED, run, same_point
from ops.bench.truth import load_truth
from ops.synth.shards import write_shards
from recon import Mesh, Reconstruction, Views
from tests.patch_encoder import PatchEncoder
from tests.recon_scene import make_scene, true_result
from tests.test_ops_bench_correspond import cameras_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=6, size=64)
    return folder


def test_pairs_of_images_that_have_a_keypoint_at_one_place_are_counted() -> None:
    points = np.zeros((3, 2, 3))
    points[2, 0] = (0.11, 0, 0)
    points[0, 1] = points[1, 1] = np.inf
    seen = np.ones((3, 2), bool)
    assert same_point(points, seen) == pytest.approx(1 / 6), "of three pairs one is near; beside the object none is"
    seen[2, 0] = False
    assert same_point(points, seen) == pytest.approx(1 / 4), "what an image does not show is not counted"
    assert same_point(points, np.zeros((3, 2), bool)) == 0


@pytest.mark.parametrize("wrong", [False, True])
def test_flawless_cameras_keep_to_the_point_and_wrong_ones_do_not(
    data: Path, monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    truth = load_truth(data)
    name = truth.shapes[0]

    def made(views: Views, *_: object, **__: object) -> Reconstruction:
        found = true_result(make_scene(len(views)))
        mesh = truth.mesh(name)
        vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
        body = Mesh(vertices, faces, np.zeros((len(vertices), 3), np.uint8))
        whole = torch.tensor([[0.0, 0.0, 1.0]]).repeat(len(views), 1)
        assert found.shape is not None
        cameras = crop_cameras(cameras_of(truth, name), whole)
        if wrong:
            cameras = replace(cameras, R=np.roll(cameras.R, 1, axis=0), t=np.roll(cameras.t, 1, axis=0))
        return replace(found, shape=replace(found.shape, cameras=cameras, mesh=body))

    monkeypatch.setattr(correspond, "load_backbone", lambda name: PatchEncoder())
    monkeypatch.setattr(correspond, "reconstruct", made)
    told: list[str] = []
    report = run(data, Settings([name]), told.append)
    first = report.measures[0]
    assert len(told) == 1 and told[0].startswith(name)
    assert set(first.baselines) == {PROJECTED, NEIGHBOURS, CHANCE}
    assert first.baselines[CHANCE] < 0.5
    if wrong:
        assert first.baselines[PROJECTED] < 0.7
    else:
        assert first.baselines[PROJECTED] > 0.9 and first.value > 5 * first.baselines[CHANCE]


def test_a_shape_that_was_not_found_is_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspond, "load_backbone", lambda name: PatchEncoder())
    nothing = Reconstruction("thin_evidence", "too thin", np.arange(6), None)
    monkeypatch.setattr(correspond, "reconstruct", lambda *_, **__: nothing)
    told: list[str] = []
    report = run(data, Settings([load_truth(data).shapes[0]]), told.append)
    assert not report.measures and "too thin" in told[0]
