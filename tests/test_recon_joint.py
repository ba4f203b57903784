from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon.config import JointStage
from recon.geometry import rotation
from recon.joint import SURFACE_LEVEL, logits_of_votes, refine_jointly
from recon.mesh import carve, finer, surface
from recon.volume import Hypotheses
from tests.recon_scene import make_scene, rotation_errors, true_poses

STAGE = JointStage(60, 24, 3000, 4)
SCENE = make_scene(24, noise=0.1)


def errors(poses: Hypotheses) -> np.ndarray:
    return rotation_errors(rotation(poses.angles[0]).double().numpy(), SCENE.R)


def shaken(poses: Hypotheses, degrees: float) -> Hypotheses:
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(poses.angles.shape, generator=generator) * np.radians(degrees)
    return replace(poses, angles=poses.angles + noise * torch.tensor([1.0, 0.5, 0.0]))


def refined(stage: JointStage = STAGE, seed: int = 0) -> tuple[Hypotheses, Hypotheses, np.ndarray]:
    model, poses = true_poses(SCENE)
    start = shaken(poses, 10)
    votes, _ = carve(start, model, SCENE.views, 24, False)
    logits = logits_of_votes(torch.from_numpy(votes))
    with torch.inference_mode():
        fit = refine_jointly(start, model, logits, stage, torch.Generator().manual_seed(seed))
    return start, fit.poses, fit.occupancy(stage.resolution)


def test_cameras_that_are_a_little_wrong_fall_into_place() -> None:
    start, found, _ = refined()
    assert np.median(errors(start)) > 6
    assert np.median(errors(found)) < 0.75 * np.median(errors(start))


def test_the_field_explains_the_masks() -> None:
    _, found, occupancy = refined()
    model, _ = true_poses(SCENE)
    assert occupancy.shape == (24, 24, 24) and occupancy.min() >= 0 and occupancy.max() <= 1
    assert np.allclose(occupancy, occupancy[..., ::-1], atol=1e-5)  # the scene is fitted as a symmetric one
    body = surface(finer(occupancy, 40), SURFACE_LEVEL)
    assert body is not None and 0.02 < body.volume < 2
    assert model.mirror and torch.isfinite(found.angles).all()


def test_views_without_weight_keep_their_cameras() -> None:
    model, poses = true_poses(SCENE)
    weight = torch.ones_like(poses.weight)
    weight[0, :5] = 0
    votes, _ = carve(poses, model, SCENE.views, 24, False)
    logits = logits_of_votes(torch.from_numpy(votes))
    few = replace(STAGE, steps=5)
    fit = refine_jointly(replace(poses, weight=weight), model, logits, few, torch.Generator().manual_seed(0))
    moved = (fit.poses.angles - poses.angles)[0].abs().sum(-1)
    assert (moved[:5] == 0).all() and (moved[5:] > 0).all()


def test_it_repeats_with_its_seed_and_tells_how_far_it_is() -> None:
    few = replace(STAGE, steps=3)
    (_, first, a), (_, again, b), (_, other, _) = refined(few), refined(few), refined(few, 1)
    assert torch.equal(first.angles, again.angles) and np.array_equal(a, b)
    assert not torch.equal(first.angles, other.angles)
    model, poses = true_poses(SCENE)
    votes, _ = carve(poses, model, SCENE.views, 24, False)
    logits = logits_of_votes(torch.from_numpy(votes))
    ticks: list[float] = []
    refine_jointly(poses, model, logits, few, torch.Generator().manual_seed(0), ticks.append)
    assert ticks == pytest.approx([1 / 3, 2 / 3, 1])
