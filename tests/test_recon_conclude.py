from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon import conclude
from recon.cold import Found
from recon.em import assign_folds
from recon.joint import JointFit, refine_carved
from recon.progress import Reporter
from recon.refine import judge_held_out
from tests.recon_scene import SMALL, make_scene, true_poses


@pytest.mark.parametrize(("degrees", "kept"), [(2.0, True), (70.0, False)])
def test_a_refinement_stays_though_the_held_out_score_falls_a_little_but_not_if_it_spoils_the_cameras(
    degrees: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(16)
    model, poses = true_poses(scene)
    generator = torch.Generator().manual_seed(0)
    found = Found(poses, assign_folds(16, SMALL.fine.folds, generator, torch.device("cpu")))
    before = judge_held_out(conclude.final_volumes(found, model, SMALL), poses, found.folds, model)
    noise = torch.randn(poses.angles.shape, generator=generator) * torch.tensor([1.0, 0.3, 0.0])
    moved = replace(poses, angles=poses.angles + torch.deg2rad(torch.tensor(degrees)) * noise)
    fit = refine_carved(poses, model, scene.views, replace(SMALL.joint, steps=2), generator)
    monkeypatch.setattr(conclude, "_jointly", lambda *_: JointFit(moved, fit.field, 0.5))
    final = conclude._refined(found, before, model, scene.views, SMALL, generator, Reporter(None))
    after = judge_held_out(conclude.final_volumes(replace(found, poses=moved), model, SMALL), moved, found.folds, model)
    assert after.score.mean() < before.score.mean()
    assert final.fitted is kept
    assert torch.equal(final.found.poses.angles, moved.angles if kept else poses.angles)
    assert torch.equal(final.held_out.score, after.score if kept else before.score)
