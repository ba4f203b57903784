from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.evidence import MASK_PIXELS, PIXELS, fit_basis, gather_evidence, moments
from recon.geometry import pixel_grid
from tests.recon_scene import DIMS, make_scene

CPU = torch.device("cpu")


def test_moments_of_a_shifted_square() -> None:
    grid = pixel_grid(64, CPU)
    inside = ((grid - torch.tensor([0.2, -0.1])).abs() < 0.3).all(1).float()
    centre, half = moments(inside, grid)
    assert torch.allclose(centre, torch.tensor([0.2, -0.1]), atol=0.02)
    assert abs(float(half) - 2 * (2 * 0.3**2 / 3) ** 0.5) < 0.02


def test_whitened_foreground_has_equal_spread() -> None:
    views = make_scene(12).views
    basis = fit_basis(views, 8, CPU)
    assert basis.projection.shape == (DIMS, 8)
    rows = torch.from_numpy(views.features).permute(0, 2, 3, 1)
    inside = torch.from_numpy(views.masks[:, 2::4, 2::4])
    spread = ((rows[inside] - basis.mean) @ basis.projection).var(0)
    assert float(spread.max() / spread.min()) < 2


def test_window_holds_the_object_whatever_its_place() -> None:
    scene = make_scene(4)
    moved = replace(scene.views, masks=np.roll(scene.views.masks, 6, axis=2))
    basis = fit_basis(scene.views, 16, CPU)
    a, b = gather_evidence(scene.views, basis, CPU), gather_evidence(moved, basis, CPU)
    assert torch.allclose(b.centre[:, 0] - a.centre[:, 0], torch.full((4,), 12 / 64), atol=1e-3)
    assert torch.allclose(a.masks, b.masks, atol=0.05)
    assert a.fine_masks.shape == (4, MASK_PIXELS, MASK_PIXELS)
    assert a.features.shape == (4, PIXELS**2, 16)


def test_mirrored_features_align_with_the_direct_ones() -> None:
    scene = make_scene(6, noise=0.0)
    basis = replace(fit_basis(scene.views, 16, CPU), place=torch.zeros(PIXELS**2, 16))
    evidence = gather_evidence(scene.views, basis, CPU)
    assert torch.allclose(evidence.features, evidence.mirrored, atol=1e-4)


def test_what_depends_on_the_place_alone_is_subtracted() -> None:
    scene = make_scene(30, noise=0.0)
    ramp = np.linspace(-3, 3, 16, dtype=np.float32)[:, None] * np.ones(16, np.float32)
    views = replace(
        scene.views,
        features=scene.views.features + ramp,
        flipped_features=scene.views.flipped_features + ramp,
    )
    evidence = gather_evidence(views, fit_basis(views, 16, CPU), CPU)
    seen = evidence.masks[..., None]
    left = ((evidence.features * seen).sum(0) / (seen.sum(0) + 2)).norm(dim=-1)
    plain = replace(fit_basis(views, 16, CPU), place=torch.zeros(PIXELS**2, 16))
    before = gather_evidence(views, plain, CPU)
    assert left.mean() < 0.6 * ((before.features * seen).sum(0) / (seen.sum(0) + 2)).norm(dim=-1).mean()


def test_leading_components_are_unit_length_again() -> None:
    scene = make_scene(4)
    evidence = gather_evidence(scene.views, fit_basis(scene.views, 16, CPU), CPU).leading(5)
    inside = evidence.masks > 0.9
    assert torch.allclose(evidence.features[inside].norm(dim=-1), torch.ones(int(inside.sum())), atol=1e-4)


def test_empty_masks_are_marked_and_harmless() -> None:
    scene = make_scene(4)
    masks = scene.views.masks.copy()
    masks[1] = False
    views = replace(scene.views, masks=masks)
    evidence = gather_evidence(views, fit_basis(views, 8, CPU), CPU)
    assert evidence.usable.tolist() == [True, False, True, True]
    assert bool(torch.isfinite(evidence.features).all())
