from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from recon.config import FieldKind
from recon.fields import Field, TensorField, make_field
from recon.fields.tensorf import _products
from recon.geometry import voxel_grid
from recon.joint import logits_of_votes, refine_jointly
from recon.mesh import carve
from tests.recon_scene import true_poses
from tests.test_recon_joint import SCENE, STAGE, errors, shaken

KINDS: list[FieldKind] = ["voxel", "tensorf", "mlp"]
SIDE = 16


def ball() -> Tensor:
    """Densities of a ball beside the middle."""
    points = voxel_grid(SIDE, torch.device("cpu")) - torch.tensor([0.2, 0.0, 0.0])
    return (8 * (0.5 - points.norm(dim=-1))).clamp(-4, 4).reshape([SIDE] * 3)


def made(kind: FieldKind, *, mirror: bool = False, seed: int = 0) -> Field:
    return make_field(kind, ball(), 5, mirror=mirror, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_as_the_grid_it_is_given(kind: FieldKind) -> None:
    field = made(kind)
    field.begin(1.0)
    found, wanted = field.grid(SIDE), ball()
    assert found.shape == wanted.shape
    both = ((found > 0) & (wanted > 0)).sum() / ((found > 0) | (wanted > 0)).sum()
    assert both > 0.85


@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_symmetric_if_told_so(kind: FieldKind) -> None:
    field = made(kind, mirror=True)
    field.begin(1.0)
    points = torch.rand(50, 3) * 1.6 - 0.8
    there = field.logits(points * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(field.logits(points), there, atol=1e-4)
    lopsided = made(kind)
    lopsided.begin(1.0)
    across = lopsided.logits(points * torch.tensor([-1.0, 1.0, 1.0]))
    assert not torch.allclose(lopsided.logits(points), across, atol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_it_says_has_a_gradient_and_every_parameter_a_rate(kind: FieldKind) -> None:
    field = made(kind)
    field.begin(0.5)
    points = (torch.rand(40, 3) - 0.5).requires_grad_()
    assert field.features(points).shape == (40, 5)
    total = field.logits(points).sum() + field.features(points).square().sum() + field.roughness()
    total.backward()
    assert points.grad is not None and points.grad.abs().sum() > 0
    named = {name.split(".")[0] for name, _ in field.named_parameters()}
    assert named == set(field.rates)
    blank = [name for name, part in field.named_parameters() if part.grad is None]
    assert blank == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_coarse_at_first(kind: FieldKind) -> None:
    field = make_field(kind, torch.where(torch.rand(SIDE, SIDE, SIDE) > 0.5, 3.0, -3.0), 2, mirror=False, seed=0)
    rough = []
    for share in (0.0, 1.0):
        field.begin(share)
        rough.append(float(field.grid(SIDE).diff(dim=0).abs().mean()))
    assert rough[0] < 0.9 * rough[1]


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_fall_into_place_with_it_and_it_repeats(kind: FieldKind) -> None:
    model, poses = true_poses(SCENE)
    start = shaken(poses, 10)
    votes, _ = carve(start, model, SCENE.views, 24, False)
    logits = logits_of_votes(torch.from_numpy(votes))
    stage = replace(STAGE, field=kind, rays=1500, steps=40)
    with torch.inference_mode():
        first, again = (refine_jointly(start, model, logits, stage, torch.Generator().manual_seed(0)) for _ in range(2))
    assert np.median(errors(first.poses)) < 0.85 * np.median(errors(start))
    assert torch.equal(first.poses.angles, again.poses.angles) and np.array_equal(
        first.occupancy(24), again.occupancy(24)
    )


@pytest.mark.parametrize("mirror", [True, False])
def test_the_grid_of_planes_times_lines_is_their_sum_of_products_anywhere(mirror: bool) -> None:
    field = made("tensorf", mirror=mirror)
    assert isinstance(field, TensorField)
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(4)) * 2.4 - 1.2  # some of them outside
    with torch.no_grad():
        field.planes.add_(torch.randn(field.planes.shape, generator=torch.Generator().manual_seed(3)))
        field.begin(1.0)
        each = _products(field.planes, field.lines, field.folded(points)).sum((0, 1))
        found = field.logits(points)
        assert float(each.std()) > 1 and torch.allclose(found - found.mean(), each - each.mean(), atol=1e-4)
        assert torch.allclose(field.roughness(), field.roughness_on(24), atol=1e-5)
