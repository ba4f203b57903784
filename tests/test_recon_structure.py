from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ops.errors import ReconstructionError
from recon.camera import Pinholes
from recon.structure import KEYPOINTS, Structure, choose_keypoints, find_structure
from tests.recon_scene import CHAIR, Scene, make_scene, true_result

SCENE = make_scene(12, seed=3, noise=0.1)


def structure(scene: Scene = SCENE) -> Structure:
    shape = true_result(scene).shape
    assert shape is not None
    return find_structure(shape.mesh, shape.cameras, scene.views)


FOUND = structure()


def test_keypoints_lie_on_the_shape_and_far_from_each_other() -> None:
    assert FOUND.points.shape == (KEYPOINTS, 3)
    centre, half = CHAIR.mean(1), np.ptp(CHAIR, axis=1) / 2
    outside = (np.abs(FOUND.points[:, None] - centre) - half).max(-1).min(1)
    assert np.abs(outside).max() < 0.05
    apart = np.linalg.norm(FOUND.points[:, None] - FOUND.points, axis=-1) + np.eye(KEYPOINTS)
    assert apart.min() > 0.08
    legs = FOUND.points[FOUND.points[:, 1] < -0.3]
    assert {(x > 0, z > 0) for x, _, z in legs} == {(a, b) for a in (True, False) for b in (True, False)}


def test_places_are_where_the_cameras_see_the_keypoints() -> None:
    shape = true_result(SCENE).shape
    assert shape is not None
    image, _ = Pinholes.of(shape.cameras, torch.device("cpu")).project(torch.from_numpy(FOUND.points))
    away = np.linalg.norm(FOUND.places - image.numpy(), axis=-1)
    assert np.median(away[FOUND.visible]) < 0.06
    assert 0.2 < FOUND.visible.mean() < 0.9
    assert FOUND.visible.mean(0).min() >= 0.1


def test_a_shape_that_is_rigid_hardly_deforms() -> None:
    assert FOUND.bases.shape == (3, KEYPOINTS, 3) and FOUND.coefficients.shape == (12, 3)
    assert FOUND.residual[1] < FOUND.residual[0] < 0.06
    assert np.abs(FOUND.bases).max() < 0.06


def test_edges_join_all_keypoints() -> None:
    assert set(FOUND.edges.ravel().tolist()) == set(range(KEYPOINTS))
    assert (FOUND.edges[:, 0] < FOUND.edges[:, 1]).all()


def test_it_is_the_same_every_time() -> None:
    again = structure()
    for name in Structure.__slots__:
        assert np.array_equal(getattr(again, name), getattr(FOUND, name)), name


def test_strangers_take_no_part() -> None:
    result = true_result(SCENE)
    assert result.shape is not None
    weight = np.ones(12, np.float32)
    weight[[2, 7]] = 0
    mesh, cameras = result.shape.mesh, replace(result.shape.cameras, weight=weight)
    found = find_structure(mesh, cameras, SCENE.views)
    assert found.ids.tolist() == [i for i in SCENE.views.ids.tolist() if i not in (102, 107)]
    assert len(found.places) == len(found.coefficients) == 10
    weight[:] = 0
    with pytest.raises(ReconstructionError, match="not a stranger"):
        find_structure(mesh, cameras, SCENE.views)


def test_worthless_points_are_not_chosen() -> None:
    candidates = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    worth = torch.ones(100)
    worth[::2] = 0
    chosen = choose_keypoints(candidates, worth, 20).tolist()
    assert len(set(chosen)) == 20 and all(index % 2 for index in chosen)
