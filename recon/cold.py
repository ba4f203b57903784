"""Cold start: many random hypotheses, the best of them refined, half-turns resolved, one chosen.

The selection uses held-out scores and the half-turn test's consistency only; no ground truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from recon.config import ReconConfig
from recon.em import Model, assign_folds, random_starts, run_stage, standing
from recon.halfturn import HalfTurns, apply_half_turns, find_half_turns
from recon.progress import Reporter
from recon.refine import polish
from recon.volume import Hypotheses, build_volumes, join

_MAX_GAP, _MAX_FLIPS = 0.65, 0.25
_REACH = math.radians(40)


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome of a search.

    Attributes:
        poses: one hypothesis.
        folds: ``(N,)`` folds its scores were held out by.
        round_about: whether it is a surface of revolution.
    """

    poses: Hypotheses
    folds: torch.Tensor
    round_about: bool = False


def resolve_half_turns(
    poses: Hypotheses, model: Model, config: ReconConfig, generator: torch.Generator, report: Reporter
) -> Hypotheses:
    """Lets every hypothesis compete with itself turned where the test says so, and picks one.

    The score alone would choose wrongly: volumes that mix views with opposite ones can outscore the truth. So a
    hypothesis whose half-turns are consistent goes before all others, the most consistent first; where none is,
    the best score decides.
    """
    tests = _test_all(poses, model, config, generator)
    turned = apply_half_turns(poses, torch.stack([test.turned for test in tests]))
    rivals = join(poses, turned)
    tick = report.span("half_turns", 0.7, 0.8)
    rivals = run_stage(rivals, model, replace(config.medium, rounds=2), generator, tick, _REACH)
    tests = _test_all(rivals, model, config, generator)
    passed = [h for h, test in enumerate(tests) if test.gap < _MAX_GAP and test.flips < _MAX_FLIPS]
    chosen = min(passed, key=lambda h: tests[h].gap) if passed else int(standing(rivals).argmax())
    one = rivals.select(torch.tensor([chosen], device=rivals.angles.device))
    return apply_half_turns(one, tests[chosen].turned[None]) if passed else one


def _test_all(poses: Hypotheses, model: Model, config: ReconConfig, generator: torch.Generator) -> list[HalfTurns]:
    folds = assign_folds(len(model.evidence), config.medium.folds, generator, poses.angles.device)
    volumes = build_volumes(poses, model.evidence, folds, config.medium.resolution, model.distance, model.mirror)
    return [find_half_turns(volumes, h, model) for h in range(len(poses))]


def cold_start(model: Model, config: ReconConfig, generator: torch.Generator, report: Reporter) -> Found:
    """Searches cameras from nothing.

    Args:
        model: views and camera model.
        config: stages and their sizes.
        generator: source of all randomness.
        report: where progress goes.
    """
    poses = random_starts(model, config.coarse, generator)
    poses = run_stage(poses, model, config.coarse, generator, report.span("coarse", 0.02, 0.45))
    best = standing(poses).argsort(descending=True)[: config.medium.hypotheses]
    poses = run_stage(poses.select(best), model, config.medium, generator, report.span("medium", 0.45, 0.7))
    poses = resolve_half_turns(poses, model, config, generator, report)
    poses = run_stage(poses, model, config.fine, generator, report.span("fine", 0.8, 0.88), _REACH)
    folds = assign_folds(len(model.evidence), config.fine.folds, generator, poses.angles.device)
    tick = report.span("polish", 0.88, 0.95)
    poses = polish(poses, model, folds, config.fine.resolution, config.polish_rounds, generator, tick)
    return Found(poses, folds)
