"""Cold start: many hypotheses, the best of them refined, one chosen.

The selection uses held-out scores and how well the finalists can be fitted; no ground truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce

import torch

from recon.checkpoint import Checkpoint
from recon.config import ReconConfig, Stage
from recon.contest import best_fit
from recon.em import Model, assign_folds, run_stage, standing
from recon.guess import prior_of
from recon.progress import Reporter, portion
from recon.realign import realign
from recon.starts import grouped_starts, guessed_starts
from recon.types import Views
from recon.untangle import untangled
from recon.volume import Hypotheses, join

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
    poses = halved(poses, model, config.coarse, config.medium.hypotheses, generator, report.span("coarse", 0.0, 0.5))
    poses = run_stage(poses, model, config.medium, generator, report.span("medium", 0.5, 0.75))
    poses = _best(poses, model, config.fine.hypotheses)
    return run_stage(poses, model, config.fine, generator, report.span("fine", 0.75, 1.0))


def halved(
    poses: Hypotheses,
    model: Model,
    stage: Stage,
    least: int,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
) -> Hypotheses:
    """The best of a stage, whose rounds are for those that do well: again and again the worse half is left behind.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016, section 3): for the same time more hypotheses begin.

    Args:
        poses: hypotheses to begin with.
        model: views and camera model.
        stage: its ``halve_after`` says how many rounds each half has to stand.
        least: hypotheses that stay to the end; as many at most are returned, the best first.
        generator: source of all randomness.
        tick: told the fraction done.
    """
    done, step = 0, stage.halve_after or stage.rounds
    while done < stage.rounds:
        rounds = min(step, stage.rounds - done) if len(poses) > least else stage.rounds - done
        part = portion(tick, done / stage.rounds, (done + rounds) / stage.rounds)
        poses = run_stage(poses, model, replace(stage, rounds=rounds), generator, part)
        done += rounds
        poses = _best(poses, model, max(least, len(poses) // 2) if done < stage.rounds else least)
    return poses


def _best(poses: Hypotheses, model: Model, count: int) -> Hypotheses:
    """The hypotheses that stand highest, the best first."""
    return poses.select(standing(poses, model).argsort(descending=True)[:count])
