from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon import realign as module
from recon.config import JointStage, Realignment
from recon.geometry import rotation
from recon.realign import realign
from recon.volume import Hypotheses
from tests.recon_scene import make_scene, rotation_errors, true_poses

PLAN = Realignment(2, JointStage(20, 24, 3000, 4), azimuths=36, elevations=4, resolution=20)
SCENE = make_scene(24, noise=0.1)
ASTRAY = torch.tensor([1, 8, 13, 20])


def errors(poses: Hypotheses) -> np.ndarray:
    return rotation_errors(rotation(poses.angles[0]).double().numpy(), SCENE.R)


def some_astray() -> Hypotheses:
    _, poses = true_poses(SCENE)
    angles = poses.angles.clone()
    angles[0, ASTRAY, 0] += 2.0
    return replace(poses, angles=angles)


def run(start: Hypotheses, plan: Realignment = PLAN) -> tuple[Hypotheses, list[float]]:
    model, _ = true_poses(SCENE)
    ticks: list[float] = []
    with torch.inference_mode():
        found = realign(start, model, SCENE.views, plan, torch.Generator().manual_seed(0), ticks.append)
    return found, ticks


def test_views_that_lie_wrong_find_their_places() -> None:
    start = some_astray()
    assert (errors(start)[ASTRAY] > 60).all()
    found, ticks = run(start)
    assert (errors(found)[ASTRAY] < 30).all() and np.median(errors(found)) < 12
    assert ticks == sorted(ticks) and ticks[0] > 0 and ticks[-1] <= 1


def test_it_repeats() -> None:
    once = replace(PLAN, rounds=1)
    first, again = (run(some_astray(), once)[0] for _ in range(2))
    assert torch.equal(first.angles, again.angles) and torch.equal(first.weight, again.weight)


def test_what_fits_no_better_is_not_taken_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, truth = true_poses(SCENE)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    shuffled = replace(truth, angles=truth.angles[:, order])
    monkeypatch.setattr(module, "_searched", lambda *_: shuffled)
    found, ticks = run(truth)
    assert np.median(errors(found)) < 5 and ticks == [0.5]
