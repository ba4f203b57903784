"""Cold start: many hypotheses, the best of them refined, with half-turned rivals, one chosen.

The selection uses held-out scores and how well the finalists can be fitted; no ground truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce

import torch

from recon.checkpoint import Checkpoint
from recon.config import ReconConfig
from recon.contest import best_fit
from recon.em import Model, assign_folds, run_stage, standing
from recon.guess import prior_of
from recon.halfturn import REACH, apply_half_turns, find_half_turns
from recon.progress import Reporter
from recon.realign import realign
from recon.starts import grouped_starts, guessed_starts
from recon.types import Views
from recon.untangle import untangled
from recon.volume import Hypotheses, build_volumes, join

_BEGIN, _CONTEST, _SETTLE, _END = 0.02, 0.5, 0.65, 0.85


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome of a search.

    Attributes:
        poses: one hypothesis.
        folds: ``(N,)`` folds its scores were held out by.
        round_about: whether it is a surface of revolution.
        density: ``(J, J, J)`` occupancy of an earlier refinement in the volume of these poses; None without one.
        given: the poses were told and not searched for.
    """

    poses: Hypotheses
    folds: torch.Tensor
    round_about: bool = False
    density: torch.Tensor | None = None
    given: bool = False


def add_half_turned(
    poses: Hypotheses,
    model: Model,
    config: ReconConfig,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
) -> Hypotheses:
    """Lets every hypothesis compete with itself turned where the half-turn test says so.

    EM alone does not leave a mixture of views and opposite ones; whether the turned rival is better is for the
    held-out score to say.
    """
    folds = assign_folds(len(model.evidence), config.medium.folds, generator, poses.angles.device)
    volumes = build_volumes(poses, model.evidence, folds, config.medium.resolution, model.distance, model.mirror)
    turns = torch.stack([find_half_turns(volumes, h, model) for h in range(len(poses))])
    rivals = join(poses, apply_half_turns(poses, turns))
    return run_stage(rivals, model, replace(config.medium, rounds=2), generator, tick, REACH)


def cold_start(
    model: Model,
    config: ReconConfig,
    views: Views,
    generator: torch.Generator,
    report: Reporter,
    checkpoint: Checkpoint,
) -> Found:
    """Searches cameras from nothing; the finalists meet in a contest.

    Args:
        model: views and camera model.
        config: stages and their sizes.
        views: the same views.
        generator: source of all randomness.
        report: where progress goes.
        checkpoint: of the searches, the contest and what follows it.
    """
    rivals, judged = finalists(model, config, views, generator, report.part(_BEGIN, _CONTEST), checkpoint)
    tick = report.span("contest", _CONTEST, _SETTLE)
    work = partial(best_fit, rivals, judged, views, config.trial, generator, tick)
    poses = checkpoint.step("contest", generator, work)
    folds = assign_folds(len(model.evidence), config.fine.folds, generator, poses.angles.device)
    tick = report.span("settle", _SETTLE, _END)
    work = partial(_settled, poses, judged, config, views, folds, generator, tick)
    return Found(checkpoint.step("settle", generator, work), folds)


def finalists(
    model: Model,
    config: ReconConfig,
    views: Views,
    generator: torch.Generator,
    report: Reporter,
    checkpoint: Checkpoint,
) -> tuple[Hypotheses, Model]:
    """The best hypotheses of all searches, and the model with what single views tell, by which to judge them.

    Where single views tell anything of where they were taken from, there are two searches: one that begins from and
    leans on what they tell, and one that believes their elevations alone, since of azimuths they may all be wrong: that
    takes knowing an object's front, and whether one looks down on it shows without.
    """
    prior = prior_of(views.viewpoints, model.evidence.masks.device) if config.led_starts else None
    free = replace(model, floor=config.search_floor, prior=prior and prior.without_azimuth())
    searches = [(free, grouped_starts(free, config.coarse, config.start_groups, generator))]
    if prior is not None and views.viewpoints is not None:
        led, stage = replace(free, prior=prior), replace(config.coarse, hypotheses=config.led_starts)
        searches.append((led, guessed_starts(led, stage, views.viewpoints, generator)))
    found = []
    for n, (seen, starts) in enumerate(searches):
        part = report.part(n / len(searches), (n + 1) / len(searches))
        work = partial(_search, starts, seen, config, generator, part)
        found.append(checkpoint.step(f"search_{n}", generator, work))
    return reduce(join, found), replace(model, prior=prior)


def _settled(
    poses: Hypotheses,
    model: Model,
    config: ReconConfig,
    views: Views,
    folds: torch.Tensor,
    generator: torch.Generator,
    tick: Callable[[float], None],
) -> Hypotheses:
    if config.realign.rounds:
        return realign(poses, model, views, config.realign, generator, tick)
    return untangled(poses, model, views, folds, config, generator, tick)


def _search(
    poses: Hypotheses, model: Model, config: ReconConfig, generator: torch.Generator, report: Reporter
) -> Hypotheses:
    """The finalists of one search, the best first."""
    poses = run_stage(poses, model, config.coarse, generator, report.span("coarse", 0.0, 0.5))
    poses = _best(poses, model, config.medium.hypotheses)
    poses = run_stage(poses, model, config.medium, generator, report.span("medium", 0.5, 0.7))
    poses = add_half_turned(poses, model, config, generator, report.span("half_turns", 0.7, 0.88))
    poses = _best(poses, model, config.fine.hypotheses)
    return run_stage(poses, model, config.fine, generator, report.span("fine", 0.88, 1.0))


def _best(poses: Hypotheses, model: Model, count: int) -> Hypotheses:
    """The hypotheses that stand highest, the best first."""
    return poses.select(standing(poses, model).argsort(descending=True)[:count])
