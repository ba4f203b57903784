from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.em import assign_folds
from recon.geometry import rotation
from recon.refine import judge, judge_held_out, wiggle
from recon.volume import build_volumes
from tests.recon_scene import make_scene, rotation_errors, true_poses


def test_perturbations_bring_disturbed_poses_back() -> None:
    scene = make_scene(24)
    model, poses = true_poses(scene)
    generator = torch.Generator().manual_seed(0)
    disturbed = poses.angles + 0.2 * torch.randn(poses.angles.shape, generator=generator)
    folds = torch.zeros(24, dtype=torch.long)
    volumes = build_volumes(poses, model.evidence, folds, 24, model.distance, True, settle=False)
    volume = volumes.occupancy[0, -1], volumes.features[0, -1]
    found, frames, score = wiggle(*volume, disturbed[0], poses.frame[0], model.evidence, model, generator)
    before = np.median(rotation_errors(rotation(disturbed[0]).double().numpy(), scene.R))
    after = np.median(rotation_errors(rotation(found).double().numpy(), scene.R))
    assert after < 0.8 * before
    assert torch.allclose(judge(*volume, found[:, None], frames[:, None], model.evidence, model).score[:, 0], score)


def test_held_out_agreement_drops_for_a_view_that_lies_wrong() -> None:
    model, poses = true_poses(make_scene(24))
    folds = assign_folds(24, 4, torch.Generator().manual_seed(0), torch.device("cpu"))
    volumes = build_volumes(poses, model.evidence, folds, 24, model.distance, True, settle=False)
    right = judge_held_out(volumes, poses, folds, model)
    angles = poses.angles.clone()
    angles[0, 0, 0] += 1.5
    wrong = judge_held_out(volumes, replace(poses, angles=angles), folds, model)
    assert float(right.iou.mean()) > 0.75
    assert wrong.score[0] < 0.7 * right.score[0]
    assert torch.equal(wrong.score[1:], right.score[1:])
