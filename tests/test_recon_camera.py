from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from recon import Placement, register
from recon.camera import Pinholes, from_cameras, to_cameras
from recon.mesh import carve, finish_mesh, place_mesh, surface
from recon.types import Cameras
from tests.recon_scene import cold_result, make_scene, true_poses


def pixels_of(points: NDArray[np.float64], cameras: Cameras, view: int) -> NDArray[np.float64]:
    """Crop coordinates in [-1, 1] by the contract of ``Cameras`` alone."""
    cam = points @ cameras.R[view].T + cameras.t[view]
    focal = 1 / np.tan(cameras.fov[view] / 2)
    return np.stack([-cam[:, 0], -cam[:, 1]], 1) / cam[:, 2:] * focal + cameras.offset[view]


def landing(points: NDArray[np.float64], cameras: Cameras, masks: NDArray[np.bool_], view: int) -> float:
    """Harmonic mean of the shares of drawn and of mask pixels that have the other within one pixel."""
    size = masks.shape[-1]
    uv = np.floor((pixels_of(points, cameras, view) + 1) / 2 * size).astype(int)
    drawn = np.zeros((size, size), bool)
    inside = ((uv >= 0) & (uv < size)).all(1)
    drawn[uv[inside, 1], uv[inside, 0]] = True
    mask = masks[view]
    precision = (drawn & binary_dilation(mask)).sum() / drawn.sum()
    recall = (mask & binary_dilation(drawn)).sum() / mask.sum()
    return float(2 * precision * recall / (precision + recall))


def test_true_poses_become_the_true_cameras() -> None:
    scene = make_scene(6)
    model, poses = true_poses(scene)
    place = Placement((0.0, 0.0, 0.0), 1.56, model.distance)
    zero = torch.zeros(6)
    cameras = to_cameras(poses.angles[0], poses.frame[0], model.evidence, place, zero, zero)
    assert np.allclose(cameras.R, scene.R, atol=1e-5)
    assert np.allclose(cameras.t, scene.t, atol=1e-4)
    assert np.allclose(cameras.fov, 2 * np.arctan(1 / scene.focal), atol=1e-4)
    assert np.allclose(cameras.offset, 0, atol=1e-4)


def test_working_poses_survive_the_boundary() -> None:
    model, poses = true_poses(make_scene(6))
    place = Placement((0.1, -0.2, 0.05), 1.3, model.distance)
    zero = torch.zeros(6)
    cameras = to_cameras(poses.angles[0], poses.frame[0], model.evidence, place, zero, zero)
    angles, frame = from_cameras(cameras, model.evidence, place)
    assert torch.allclose(torch.cos(angles - poses.angles[0]), torch.ones_like(angles), atol=1e-5)
    assert torch.allclose(frame, poses.frame[0], atol=1e-4)


def surface_samples(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    corners = vertices[faces].astype(float)
    return np.concatenate([np.einsum("k,fkc->fc", np.array(w), corners) for w in _BARYCENTRIC])


def test_mesh_carved_from_true_poses_lands_on_the_masks_of_the_crops() -> None:
    scene = make_scene(24)
    model, poses = true_poses(scene)
    field, level = carve(poses, model, scene.views, 48, round_about=False)
    body = surface(field, level)
    assert body is not None
    place = place_mesh(body, model.distance)
    mesh = finish_mesh(body, place, np.zeros((len(body.vertices), 3), np.uint8))
    zero = torch.zeros(24)
    cameras = to_cameras(poses.angles[0], poses.frame[0], model.evidence, place, zero, zero)
    samples = surface_samples(mesh.vertices, mesh.faces)
    shares = [landing(samples, cameras, scene.views.masks, i) for i in range(24)]
    assert np.mean(shares) > 0.95


def test_recovered_mesh_lands_on_the_masks_of_the_crops() -> None:
    scene, result = cold_result()
    assert result.shape is not None
    samples = surface_samples(result.shape.mesh.vertices, result.shape.mesh.faces)
    shares = [landing(samples, result.shape.cameras, scene.views.masks, i) for i in range(24)]
    assert np.mean(shares) > 0.8


_BARYCENTRIC = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0), (0, 0.5, 0.5), (0.5, 0, 0.5)]


def test_registered_cameras_land_on_masks_too() -> None:
    _, result = cold_result()
    new = make_scene(6, seed=9)
    assert result.shape is not None
    cameras = register(new.views, result)
    samples = surface_samples(result.shape.mesh.vertices, result.shape.mesh.faces)
    shares = [landing(samples, cameras, new.views.masks, i) for i in range(6)]
    assert np.mean(shares) > 0.75


def test_pinholes_project_as_the_contract_says_and_back() -> None:
    rng = np.random.default_rng(0)
    scene = make_scene(3)
    offset = rng.normal(0, 0.1, (3, 2))
    parts = (scene.R, scene.t, np.array([0.5, 0.6, 0.7]), offset, np.zeros(3), np.ones(3))
    cameras = Cameras(*(part.astype(np.float32) for part in parts))
    points = rng.uniform(-0.5, 0.5, (20, 3))
    eyes = Pinholes.of(cameras, torch.device("cpu"))
    image, depth = eyes.project(torch.tensor(points, dtype=torch.float32))
    for view in range(3):
        assert np.allclose(image[view].numpy(), pixels_of(points, cameras, view), atol=1e-5)
    again = eyes.unproject(image, depth)
    assert np.allclose(again.numpy(), points, atol=1e-5)
