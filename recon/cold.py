"""Cold start: many random hypotheses, the best of them refined, with half-turned rivals, one chosen.

The selection uses held-out scores only; no ground truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from recon.config import ReconConfig
from recon.em import Model, assign_folds, run_stage, standing
from recon.guess import prior_of
from recon.halfturn import apply_half_turns, find_half_turns
from recon.progress import Reporter
from recon.refine import polish
from recon.starts import draw_starts
from recon.types import Viewpoints
from recon.volume import Hypotheses, build_volumes, join

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


def add_half_turned(
    poses: Hypotheses, model: Model, config: ReconConfig, generator: torch.Generator, report: Reporter
) -> Hypotheses:
    """Lets every hypothesis compete with itself turned where the half-turn test says so.

    EM alone does not leave a mixture of views and opposite ones; whether the turned rival is better is for the
    held-out score to say.
    """
    folds = assign_folds(len(model.evidence), config.medium.folds, generator, poses.angles.device)
    volumes = build_volumes(poses, model.evidence, folds, config.medium.resolution, model.distance, model.mirror)
    turns = torch.stack([find_half_turns(volumes, h, model) for h in range(len(poses))])
    tick = report.span("half_turns", 0.55, 0.7)
    rivals = join(poses, apply_half_turns(poses, turns))
    return run_stage(rivals, model, replace(config.medium, rounds=2), generator, tick, _REACH)


def cold_start(
    model: Model,
    config: ReconConfig,
    generator: torch.Generator,
    report: Reporter,
    viewpoints: Viewpoints | None = None,
) -> Found:
    """Searches cameras from nothing.

    Args:
        model: views and camera model.
        config: stages and their sizes.
        generator: source of all randomness.
        report: where progress goes.
        viewpoints: what the views alone tell of where they were taken from.
    """
    prior = None if viewpoints is None else prior_of(viewpoints, model.evidence.masks.device)
    searched = replace(model, floor=config.search_floor, prior=prior)
    poses = draw_starts(searched, config, viewpoints, generator)
    poses = run_stage(poses, searched, config.coarse, generator, report.span("coarse", 0.02, 0.4))
    poses = _best(poses, searched, config.medium.hypotheses)
    poses = run_stage(poses, searched, config.medium, generator, report.span("medium", 0.4, 0.55))
    poses = add_half_turned(poses, searched, config, generator, report)
    poses = _best(poses, searched, config.fine.hypotheses)
    poses = run_stage(poses, searched, config.fine, generator, report.span("fine", 0.7, 0.8))
    folds = assign_folds(len(model.evidence), config.fine.folds, generator, poses.angles.device)
    tick = report.span("polish", 0.8, 0.85)
    poses = _best(poses, searched, 1)
    poses = polish(poses, model, folds, config.fine.resolution, config.polish_rounds, generator, tick)
    return Found(poses, folds)


def _best(poses: Hypotheses, model: Model, count: int) -> Hypotheses:
    """The hypotheses that stand highest, the best first."""
    return poses.select(standing(poses, model).argsort(descending=True)[:count])
