from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import torch

from recon import cold
from recon.checkpoint import Checkpoint
from recon.cold import add_half_turned, cold_start
from recon.em import standing
from recon.geometry import rotation
from recon.halfturn import apply_half_turns
from recon.progress import Progress, Reporter
from tests.recon_scene import SMALL, make_scene, rotation_errors, told, true_poses


def test_a_mixture_of_opposite_views_gets_a_consistent_rival() -> None:
    scene = make_scene(32, noise=0.1)
    model, poses = true_poses(scene)
    mixed = apply_half_turns(poses, (torch.arange(32) % 3 == 0)[None])
    generator = torch.Generator().manual_seed(0)
    found = add_half_turned(mixed, model, SMALL, generator)
    shares = [np.mean(rotation_errors(rotation(a).double().numpy(), scene.R) < 40) for a in found.angles]
    assert len(found) == 2
    assert shares[1] > 0.85 and shares[1] > shares[0]
    assert standing(found, model)[1] > standing(found, model)[0]


@pytest.mark.parametrize("searches", [1, 2])
def test_progress_covers_the_searches_in_order(searches: int) -> None:
    scene = make_scene(12)
    views = replace(scene.views, viewpoints=told(scene.azimuth) if searches == 2 else None)
    model, _ = true_poses(scene)
    ticks: list[Progress] = []
    cold_start(model, SMALL, views, torch.Generator().manual_seed(0), Reporter(ticks.append), Checkpoint())
    assert [tick.fraction for tick in ticks] == sorted(tick.fraction for tick in ticks)
    stages = [stage for stage, _ in groupby(tick.stage for tick in ticks)]
    assert stages == ["coarse", "medium", "half_turns", "fine"] * searches + ["contest", "settle"]


def test_guesses_that_are_all_wrong_do_not_win_over_a_search_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene(24)
    views = replace(scene.views, viewpoints=told(np.random.default_rng(1).permutation(scene.azimuth), 40.0))
    model, truth = true_poses(scene)
    # The search that is led finds what it is led to, the free one the truth; who meets in the contest is not the point.
    wrong = replace(truth, angles=truth.angles[:, torch.randperm(24, generator=torch.Generator().manual_seed(2))])
    monkeypatch.setattr(
        cold, "_search", lambda poses, model, *rest: wrong if model.prior.azimuth.shape[1] > 1 else truth
    )
    found = cold_start(model, SMALL, views, torch.Generator().manual_seed(0), Reporter(None), Checkpoint())
    assert np.mean(rotation_errors(rotation(found.poses.angles[0]).double().numpy(), scene.R) < 15) > 0.9
