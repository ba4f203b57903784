from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon import contest
from recon.config import JointStage
from recon.contest import best_fit
from recon.fields import make_field
from recon.guess import prior_of
from recon.joint import JointFit
from recon.volume import Hypotheses, join
from tests.recon_scene import make_scene, told, true_poses

STAGE = JointStage(20, 24, 3000, 4)
SCENE = make_scene(24, noise=0.1)


def shuffled(poses: Hypotheses, seed: int) -> Hypotheses:
    order = torch.randperm(poses.angles.shape[1], generator=torch.Generator().manual_seed(seed))
    return replace(poses, angles=poses.angles[:, order])


def test_the_true_hypothesis_wins_wherever_it_stands() -> None:
    model, truth = true_poses(SCENE)
    for place in range(3):
        rivals = [shuffled(truth, 1), shuffled(truth, 2)]
        rivals.insert(place, truth)
        ticks: list[float] = []
        generator = seeded()
        winner = best_fit(join(join(*rivals[:2]), rivals[2]), model, SCENE.views, STAGE, generator, ticks.append)
        assert torch.equal(winner.angles, truth.angles)
        assert ticks == sorted(ticks) and np.isclose(ticks[-1], 1)


def test_one_alone_wins_without_a_contest() -> None:
    model, truth = true_poses(SCENE)
    generator = seeded()
    before = generator.get_state()
    assert best_fit(truth, model, SCENE.views, STAGE, generator) is truth
    assert torch.equal(generator.get_state(), before)


def test_equal_rivals_get_the_same_rays() -> None:
    model, truth = true_poses(SCENE)
    rivals = join(shuffled(truth, 3), shuffled(truth, 3))
    winner = best_fit(rivals, model, SCENE.views, STAGE, seeded())
    assert torch.equal(winner.angles, rivals.angles[:1])


@pytest.mark.parametrize(("believed", "gap", "winner"), [(True, 0.001, 1), (False, 0.001, 0), (True, 0.05, 0)])
def test_single_views_decide_between_near_equals_only(
    monkeypatch: pytest.MonkeyPatch, believed: bool, gap: float, winner: int
) -> None:
    model, truth = true_poses(SCENE)
    rivals = join(shuffled(truth, 1), truth)
    losses = iter([0.4, 0.4 + gap])
    monkeypatch.setattr(contest, "refine_carved", lambda *_: fit(truth, next(losses)))
    prior = prior_of(told(SCENE.azimuth), torch.device("cpu")) if believed else None
    found = best_fit(rivals, replace(model, prior=prior), SCENE.views, STAGE, seeded())
    assert torch.equal(found.angles[0], rivals.angles[winner])


@pytest.mark.parametrize(("merit", "winner"), [(0.02, 0), (0.03, 1)])
def test_a_loss_that_is_spared_counts(monkeypatch: pytest.MonkeyPatch, merit: float, winner: int) -> None:
    model, truth = true_poses(SCENE)
    rivals = join(shuffled(truth, 1), truth)
    losses = iter([0.4, 0.425])
    monkeypatch.setattr(contest, "refine_carved", lambda *_: fit(truth, next(losses)))
    found = best_fit(rivals, model, SCENE.views, STAGE, seeded(), merit=torch.tensor([0.0, merit]))
    assert torch.equal(found.angles[0], rivals.angles[winner])


def fit(poses: Hypotheses, loss: float) -> JointFit:
    return JointFit(poses, make_field("voxel", torch.zeros(2, 2, 2), 1, mirror=True, seed=0), loss)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
