from __future__ import annotations

import numpy as np
import pytest
import torch

from recon.camera import Pinholes
from recon.canonical import Located
from recon.deform import fit_deformations, projection_slopes
from tests.recon_scene import make_scene, true_cameras

CPU = torch.device("cpu")
SCENE = make_scene(40, seed=5)
EYES = Pinholes.of(true_cameras(SCENE), CPU)
POINTS = torch.tensor(np.random.default_rng(1).uniform(-0.5, 0.5, (12, 3)), dtype=torch.float32)


def seen(points: torch.Tensor, share: float = 1.0) -> Located:
    """Points ``(N, K, 3)``, other ones in each view, as the cameras see them; some hidden."""
    image, depth = EYES.project(points)
    visible = torch.rand(depth.shape, generator=torch.Generator().manual_seed(0)) < share
    noise = torch.where(visible[..., None], 0.0, 0.5)  # what is hidden must not count
    return Located(image + noise, depth, visible)


def test_slopes_are_those_of_the_projection() -> None:
    slopes, image = projection_slopes(POINTS, EYES)
    step = torch.tensor([3e-3, -2e-3, 1e-3])
    moved, _ = EYES.project(POINTS + step)
    told = image + (slopes @ step.double()[:, None])[..., 0]
    assert (moved - told).abs().max() < 1e-4
    assert (moved - image).abs().max() > 2e-3


def test_rigid_points_have_no_deformation() -> None:
    found = fit_deformations(POINTS, EYES, seen(POINTS.expand(len(EYES), -1, 3), 0.7))
    assert found.residual[0] < 1e-5
    assert (found.points - POINTS).abs().max() < 1e-4


def test_a_shift_of_the_mean_is_found() -> None:
    true = POINTS.clone()
    true[3, 1] += 0.05
    found = fit_deformations(POINTS, EYES, seen(true.expand(len(EYES), -1, 3), 0.7))
    assert (found.points[3] - true[3]).norm() < 0.02
    assert (found.points - true)[torch.arange(12) != 3].norm(dim=1).mean() < 0.01
    assert found.residual[1] < 0.5 * found.residual[0]


def test_one_way_of_moving_is_found_and_comes_first() -> None:
    """A leg that bends: two keypoints move along x by another amount in each view."""
    amount = torch.tensor(np.random.default_rng(2).normal(0, 0.08, len(EYES)), dtype=torch.float32)
    amount -= amount.mean()
    shape = POINTS.expand(len(EYES), -1, 3).clone()
    shape[:, 4:6, 0] += amount[:, None]
    found = fit_deformations(POINTS, EYES, seen(shape, 0.8))
    assert found.bases.shape == (3, 12, 3)
    strength = found.bases.flatten(1).norm(dim=1)
    assert strength[0] > 2 * strength[1]
    moving = found.bases[0].norm(dim=1)
    assert set(moving.argsort(descending=True)[:2].tolist()) == {4, 5}
    told = torch.corrcoef(torch.stack([found.coefficients[:, 0], amount]))[0, 1]
    assert abs(told) > 0.9
    assert found.residual[1] < 0.4 * found.residual[0]
    assert found.coefficients.square().mean(0).sqrt() == pytest.approx([1, 1, 1], abs=1e-3)


def test_what_a_camera_is_off_by_is_no_deformation() -> None:
    located = seen(POINTS.expand(len(EYES), -1, 3))
    off = 0.05 * torch.randn(len(EYES), 1, 2, generator=torch.Generator().manual_seed(3))
    found = fit_deformations(POINTS, EYES, Located(1.05 * located.image + off, located.depth, located.visible))
    assert found.residual[0] < 1e-5


def test_few_views_have_few_bases() -> None:
    few = EYES.select(torch.arange(5))
    image, depth = few.project(POINTS)
    found = fit_deformations(POINTS, few, Located(image, depth, torch.ones_like(depth, dtype=torch.bool)))
    assert found.bases.shape == (1, 12, 3) and found.coefficients.shape == (5, 1)
    two = EYES.select(torch.arange(2))
    image, depth = two.project(POINTS)
    found = fit_deformations(POINTS, two, Located(image, depth, torch.zeros_like(depth, dtype=torch.bool)))
    assert found.bases.shape == (0, 12, 3) and found.residual == (0.0, 0.0)
