from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch

from recon import cold
from recon.checkpoint import Checkpoint
from recon.cold import cold_start, halved
from recon.config import Stage
from recon.em import Model, run_stage, standing
from recon.geometry import rotation
from recon.progress import Progress, Reporter
from recon.starts import grouped_starts
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, make_scene, rotation_errors, told, true_poses


@pytest.mark.parametrize(
    ("halve_after", "heats"), [(0, [(8, 5)]), (1, [(8, 1), (4, 1), (3, 3)]), (2, [(8, 2), (4, 2), (3, 1)])]
)
def test_rounds_are_for_the_hypotheses_that_do_well(
    halve_after: int, heats: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(12)
    model, _ = true_poses(scene)
    generator = torch.Generator().manual_seed(0)
    run: list[tuple[int, int]] = []
    found: list[Hypotheses] = []

    def counted(poses: Hypotheses, model: Model, stage: Stage, *rest: Any) -> Hypotheses:
        run.append((len(poses), stage.rounds))
        if found:
            best = standing(found[-1], model).sort(descending=True).values
            assert torch.equal(standing(poses, model), best[: len(poses)])
        found.append(run_stage(poses, model, stage, *rest))
        return found[-1]

    monkeypatch.setattr(cold, "run_stage", counted)
    ticks: list[float] = []
    start = grouped_starts(model, SMALL.coarse, 6, generator)
    best = halved(start, model, replace(SMALL.coarse, halve_after=halve_after), 3, generator, ticks.append)
    assert run == heats
    assert torch.equal(standing(best, model), standing(found[-1], model).sort(descending=True).values[:3])
    assert ticks == sorted(ticks) and len(ticks) == 5 and ticks[-1] == pytest.approx(1)


@pytest.mark.parametrize("searches", [1, 2])
def test_progress_covers_the_searches_in_order(searches: int) -> None:
    scene = make_scene(12)
    views = replace(scene.views, viewpoints=told(scene.azimuth) if searches == 2 else None)
    model, _ = true_poses(scene)
    ticks: list[Progress] = []
    cold_start(model, SMALL, views, torch.Generator().manual_seed(0), Reporter(ticks.append), Checkpoint())
    assert [tick.fraction for tick in ticks] == sorted(tick.fraction for tick in ticks)
    stages = [stage for stage, _ in groupby(tick.stage for tick in ticks)]
    assert stages == ["coarse", "medium", "fine"] * searches + ["contest", "settle"]


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
