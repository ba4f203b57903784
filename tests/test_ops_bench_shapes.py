from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from ops.bench.shapes import Judge, Judgement, Recovered, pose_measures, surface_measures
from ops.bench.truth import Truth, load_truth
from ops.errors import NotFoundError
from ops.synth.camera import rotation
from ops.synth.shards import write_shards

TURN = rotation(75, 10, 0)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=2, views=10, size=96)
    return load_truth(folder)


@pytest.fixture(scope="module")
def judge(truth: Truth) -> Judge:
    return Judge(truth)


@pytest.fixture(scope="module")
def perfect(truth: Truth) -> Recovered:
    """The true mesh and cameras in a frame of its own: turned, shifted and scaled."""
    images = truth.of_shape("chair-00")
    mesh = truth.mesh("chair-00")
    mesh.vertices = 1.4 * np.asarray(mesh.vertices) @ TURN + [0.2, 0.1, -0.3]
    R = np.stack([image.camera.R @ TURN for image in images if image.camera is not None])
    return Recovered("chair-00", 10, mesh, [image.key for image in images], R)


def test_the_truth_in_another_frame_is_judged_perfect(judge: Judge, perfect: Recovered) -> None:
    found = judge.judge(perfect)
    assert found.errors.max() < 0.01
    assert found.surface.fscore == pytest.approx(1)
    assert found.surface.chamfer < 0.02 < found.sphere.chamfer
    assert np.median(found.chance) > 60


def test_an_image_whose_true_camera_is_not_known_cannot_be_judged(truth: Truth, perfect: Recovered) -> None:
    key = perfect.keys[0]
    blind = copy(truth)
    blind.images = {**truth.images, key: replace(truth.images[key], camera=None, rotation=None)}
    with pytest.raises(NotFoundError, match=f"no camera of image {key}"):
        Judge(blind).judge(perfect)


def test_the_hull_lies_between_the_sphere_and_the_truth(judge: Judge) -> None:
    ball, hull = judge.baselines("chair-00")
    assert 0 < hull.chamfer < ball.chamfer
    assert ball.fscore < hull.fscore <= 1


def test_wrong_cameras_and_the_wrong_mesh_are_judged_worse(truth: Truth, judge: Judge, perfect: Recovered) -> None:
    half_turned = perfect.R.copy()
    half_turned[:3] = half_turned[:3] @ np.diag([-1.0, 1, -1])
    found = judge.judge(replace(perfect, mesh=truth.mesh("lamp-00"), R=half_turned))
    assert np.sum(found.errors > 120) == 3
    assert found.surface.fscore < 0.7


def test_surfaces_weigh_by_images_and_poses_by_camera(judge: Judge, perfect: Recovered) -> None:
    good = judge.judge(perfect)
    bad = Judgement("x", 30, good.sphere, good.sphere, good.hull, np.full(20, 150.0), np.full(20, 150.0))
    poses = {m.name: m for m in pose_measures([good, bad])}
    assert poses["rotation error < 30°"].value == pytest.approx(1 / 3)
    assert poses["rotation error > 120°"].value == pytest.approx(2 / 3)
    surfaces = {m.name: m for m in surface_measures([good, bad])}
    expected = (10 * good.surface.fscore + 30 * good.sphere.fscore) / 40
    assert surfaces["F-score at 0.05"].value == pytest.approx(expected)
    assert set(surfaces["F-score at 0.05"].baselines) == {"sphere", "oracle hull"}
