"""Pixels to points and back, on boxes whose true surface is met by rays of the scene's own."""

from __future__ import annotations

import numpy as np
import torch

from recon.camera import Pinholes
from recon.canonical import coordinate_map, lift, locate, surface_points
from recon.geometry import pixel_grid
from tests.recon_scene import CHAIR, cast, make_scene, true_cameras, true_mesh

CPU = torch.device("cpu")
SIDE = 48


SCENE = make_scene(4, seed=3)
EYES = Pinholes.of(true_cameras(SCENE), CPU)
SURFACE = surface_points(true_mesh(), CPU)


def true_maps() -> tuple[torch.Tensor, torch.Tensor]:
    """Mask ``(N, SIDE^2)`` and points ``(N, SIDE^2, 3)`` by the scene's own rays."""
    found = [cast(CHAIR, R, t, SCENE.focal, SIDE) for R, t in zip(SCENE.R, SCENE.t, strict=True)]
    masks, points = (torch.tensor(np.stack(each)) for each in zip(*found, strict=True))
    return masks.flatten(1), points.float().flatten(1, 2)


def test_surface_points_lie_on_the_surface_and_are_always_the_same() -> None:
    centre, half = torch.tensor(CHAIR.mean(1)).float(), torch.tensor(np.ptp(CHAIR, axis=1)).float() / 2
    outside = ((SURFACE[:, None] - centre).abs() - half).amax(-1)  # signed distance along the worst axis
    assert outside.abs().amin(1).max() < 1e-5
    assert torch.equal(SURFACE, surface_points(true_mesh(), CPU))


def test_pixels_are_lifted_to_the_points_they_show() -> None:
    masks, points = true_maps()
    grid = pixel_grid(SIDE, CPU).expand(len(EYES), -1, 2)
    found = lift(SURFACE, EYES, grid)
    away = (found.points - points).norm(dim=-1)[masks]
    assert away.median() < 0.015 and (away < 0.05).float().mean() > 0.9
    assert found.hit[masks].float().mean() > 0.98
    assert found.hit[~masks].float().mean() < 0.12  # a pixel's width around the outline


def test_a_pixel_beside_the_shape_goes_to_where_it_comes_closest() -> None:
    found = lift(SURFACE, EYES, torch.full((4, 1, 2), -0.99))
    assert not found.hit.any()
    nearest = torch.cdist(found.points, SURFACE[None]).amin(-1)
    assert nearest.max() < 1e-3


def test_points_come_back_to_their_pixels_and_hidden_ones_are_told() -> None:
    masks, points = true_maps()
    located = locate(SURFACE, EYES, points)
    own = (located.image - pixel_grid(SIDE, CPU)).norm(dim=-1)
    assert own[masks].max() < 1e-4
    assert located.visible[masks].float().mean() > 0.9  # less where it is seen at a slant
    behind = points + 0.3 * torch.nn.functional.normalize(points - _places(), dim=-1)
    through = masks & (locate(SURFACE, EYES, behind).image.abs().amax(-1) < 1)
    assert locate(SURFACE, EYES, behind).visible[through].float().mean() < 0.05


def test_points_outside_the_crop_are_not_visible() -> None:
    far = locate(SURFACE, EYES, torch.tensor([[0.0, 9.0, 0.0]]))
    assert not far.visible.any() and far.image.isfinite().all()


def test_a_dense_map_has_the_true_points_and_nothing_beside_them() -> None:
    masks, points = true_maps()
    eye = Pinholes(EYES.R[:1], EYES.t[:1], EYES.focal[:1], EYES.offset[:1])
    found = coordinate_map(true_mesh(), eye, SIDE).flatten(0, 1)
    seen = ~found.isnan().any(-1)
    assert (seen != masks[0]).float().mean() < 0.05
    both = seen & masks[0]
    assert (found - points[0])[both].norm(dim=-1).median() < 0.02


def _places() -> torch.Tensor:
    """Where the cameras stand ``(N, 1, 3)``."""
    return -(EYES.R.transpose(1, 2) @ EYES.t[:, :, None]).transpose(1, 2)
