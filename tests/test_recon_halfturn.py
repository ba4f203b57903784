from __future__ import annotations

from dataclasses import replace

import torch

from recon.em import assign_folds
from recon.geometry import wrap
from recon.halfturn import apply_half_turns, consistency, half_turned, minority, odd_agreement
from recon.volume import build_volumes
from tests.recon_scene import make_scene, true_poses


def test_half_turn_twice_is_none() -> None:
    angles = torch.tensor([[0.3, 0.2, 0.1], [-2.0, 0.5, 0.0]])
    assert torch.allclose(half_turned(half_turned(angles)), angles, atol=1e-5)


def test_turned_views_are_found() -> None:
    model, poses = true_poses(make_scene(40, noise=0.1))
    wrong = torch.zeros(1, 40, dtype=torch.bool)
    wrong[0, ::5] = True
    mixed = apply_half_turns(poses, wrong)
    folds = assign_folds(40, 4, torch.Generator().manual_seed(0), torch.device("cpu"))
    volumes = build_volumes(mixed, model.evidence, folds, 20, model.distance, True)
    found = minority(odd_agreement(volumes, 0, model))
    assert float((found == wrong[0]).float().mean()) > 0.9
    assert found.float().mean() < 0.5


def test_views_that_lie_both_ways_round_are_not_consistent() -> None:
    model, poses = true_poses(make_scene(40, noise=0.1))
    folds = assign_folds(40, 4, torch.Generator().manual_seed(0), torch.device("cpu"))

    def of(wrong: torch.Tensor) -> float:
        mixed = apply_half_turns(poses, wrong[None])
        volumes = build_volumes(mixed, model.evidence, folds, 20, model.distance, True)
        return consistency(odd_agreement(volumes, 0, model))

    number = torch.arange(40)
    assert of(number < 0) > 0.8
    assert of(number < 0) > of(number % 5 == 0) > of(number % 2 == 0)
    assert of(number % 2 == 0) < 0.2


def test_apply_turns_only_the_marked_ones() -> None:
    _, poses = true_poses(make_scene(4))
    turned = apply_half_turns(poses, torch.tensor([[True, False, False, True]]))
    moved = wrap(turned.angles[0, :, 0] - poses.angles[0, :, 0]).abs()
    assert torch.allclose(moved, torch.tensor([torch.pi, 0.0, 0.0, torch.pi]), atol=1e-5)
    assert replace(turned, angles=poses.angles).frame is poses.frame
