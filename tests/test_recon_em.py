from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.em import assign_folds, doubt, overlap_score, run_stage, search, standing
from recon.geometry import rotation
from recon.starts import grouped_starts
from recon.volume import build_volumes
from tests.recon_scene import SMALL, make_scene, rotation_errors, true_poses


def test_folds_are_balanced_and_reproducible() -> None:
    one = assign_folds(10, 3, torch.Generator().manual_seed(4), torch.device("cpu"))
    two = assign_folds(10, 3, torch.Generator().manual_seed(4), torch.device("cpu"))
    assert torch.equal(one, two)
    assert sorted(torch.bincount(one).tolist()) == [3, 3, 4]


def test_score_of_a_perfect_and_of_a_disjoint_view() -> None:
    alpha = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    agreement = torch.tensor([[2.0], [0.0]])
    assert overlap_score(alpha, agreement, mask, 0.1).flatten().tolist() == [1.0, 0.0]


def test_the_lowest_fifth_is_doubted_and_empty_views_ignored() -> None:
    score = torch.arange(10.0)[None]
    usable = torch.ones(10, dtype=torch.bool)
    usable[9] = False
    weight = doubt(score, usable)[0]
    assert weight[:2].max() < 1 and weight[2:9].min() == 1 and weight[9] == 0


def test_e_step_finds_every_view_against_the_true_volume() -> None:
    scene = make_scene(24)
    model, poses = true_poses(scene)
    folds = assign_folds(24, 4, torch.Generator().manual_seed(0), torch.device("cpu"))
    volumes = build_volumes(poses, model.evidence, folds, 24, model.distance, True)
    found = search(volumes, model, folds, model.candidates(36, 6))
    errors = rotation_errors(rotation(found.angles[0]).double().numpy(), scene.R)
    assert np.median(errors) < 12
    assert np.mean(errors < 30) > 0.9


def test_rounds_raise_the_score_of_random_starts() -> None:
    model, _ = true_poses(make_scene(16))
    generator = torch.Generator().manual_seed(1)
    start = grouped_starts(model, replace(SMALL.coarse, hypotheses=2), 16, generator)
    ticks: list[float] = []
    short = run_stage(start, model, replace(SMALL.coarse, rounds=1), generator, ticks.append)
    long = run_stage(short, model, replace(SMALL.coarse, rounds=4), generator, ticks.append)
    assert float(standing(long, model).max()) > float(standing(short, model).max())
    assert ticks == [1.0, 0.25, 0.5, 0.75, 1.0]
