from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recon import contest, untangle
from recon.em import assign_folds
from recon.fields import make_field
from recon.geometry import rotation
from recon.halfturn import apply_half_turns
from recon.joint import JointFit
from recon.untangle import untangled
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, make_scene, rotation_errors, true_poses

SCENE = make_scene(32, noise=0.1)
MODEL, TRUTH = true_poses(SCENE)
MIXED = apply_half_turns(TRUTH, (torch.arange(32) % 2 == 0)[None])
FOLDS = assign_folds(32, 4, torch.Generator().manual_seed(0), torch.device("cpu"))


def right(poses: Hypotheses) -> float:
    return float(np.mean(rotation_errors(rotation(poses.angles[0]).double().numpy(), SCENE.R) < 30))


def sorted_out(poses: Hypotheses, ticks: list[float] | None = None) -> Hypotheses:
    tell = (lambda fraction: None) if ticks is None else ticks.append
    return untangled(poses, MODEL, SCENE.views, FOLDS, SMALL, torch.Generator().manual_seed(0), tell)


def test_views_that_lie_both_ways_round_are_sorted_out() -> None:
    ticks: list[float] = []
    assert right(MIXED) < 0.6
    assert right(sorted_out(MIXED, ticks)) > 0.85
    assert ticks == sorted(ticks) and np.isclose(ticks[-1], 1)


def test_what_lies_one_way_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untangle, "best_fit", lambda *_: pytest.fail("nothing was to be asked"))
    ticks: list[float] = []
    assert sorted_out(TRUTH, ticks) is TRUTH
    assert ticks == [1.0]


@pytest.mark.parametrize(("gap", "taken"), [(0.002, True), (0.1, False)])
def test_a_consistent_rival_may_fit_a_little_worse_but_not_much(
    monkeypatch: pytest.MonkeyPatch, gap: float, taken: bool
) -> None:
    losses = iter([0.4, 0.4 + gap])
    field = make_field("voxel", torch.zeros(2, 2, 2), 1, mirror=True, seed=0)
    monkeypatch.setattr(contest, "refine_carved", lambda poses, *_: JointFit(poses, field, next(losses)))
    found = sorted_out(MIXED)
    assert (right(found) > 0.85) == taken
    assert torch.equal(found.angles, MIXED.angles) == (not taken)
    assert not list(losses)


def test_the_same_seed_gives_the_same_rival() -> None:
    one, other = sorted_out(MIXED), sorted_out(replace(MIXED))
    assert torch.equal(one.angles, other.angles)
