"""Solutions in which views lie both ways round, sorted out once cameras are fine enough to tell.

A search readily ends with every view right but for half a turn: objects whose front and back look alike are explained
as well by a volume that is a bit of both. The odd part of the features then cancels between views, which shows. The
test that finds the turned views (`halfturn`) is blurred by coarse cameras, so that what it says early in a search
rarely wins; at the end of one it is asked again, and views are searched anew around where it puts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from recon.config import ReconConfig
from recon.contest import best_fit
from recon.em import Model, run_stage
from recon.halfturn import apply_half_turns, consistency, minority, odd_agreement
from recon.progress import portion
from recon.types import Views
from recon.volume import Hypotheses, build_volumes, join

_MIXED = 0.3
"""Consistency below which a solution is doubted: those with true cameras have 0.3 to 0.85, mixtures -0.3 to 0.15."""
_WORTH = 0.02
"""Loss that consistency is worth: a mixture's field, a bit of both, is smooth and therefore fitted a little better."""
_REACH = math.radians(40)
"""Azimuth around where the test puts views within which they are searched anew."""
_SEARCHED = 0.7  # share of the time after which the rival is found, for those who watch


def untangled(
    poses: Hypotheses,
    model: Model,
    views: Views,
    folds: Tensor,
    config: ReconConfig,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
) -> Hypotheses:
    """The hypothesis or, where its views lie both ways round, a rival in which they lie one way, if that fits.

    Args:
        poses: one hypothesis.
        model: views and camera model; its prior, if there is one, has a say.
        views: the same views.
        folds: ``(N,)`` fold of each view.
        config: stages and their sizes.
        generator: source of all randomness.
        tick: told the fraction done.
    """
    before = _agreement(poses, model, folds, config)
    if consistency(before) >= _MIXED or not minority(before).any():
        tick(1.0)
        return poses
    rival = _turned(poses, before, model, folds, config, generator, portion(tick, 0.0, _SEARCHED))
    after = _agreement(rival, model, folds, config)
    merit = _WORTH * torch.tensor([consistency(before), consistency(after)], device=folds.device)
    tick = portion(tick, _SEARCHED, 1.0)
    return best_fit(join(poses, rival), model, views, config.trial, generator, tick, merit)


def _turned(
    poses: Hypotheses,
    agreement: Tensor,
    model: Model,
    folds: Tensor,
    config: ReconConfig,
    generator: torch.Generator,
    tick: Callable[[float], None],
) -> Hypotheses:
    """The most consistent of what turning views back and searching around there leads to, in turns."""
    prior = model.prior and model.prior.without_azimuth()
    searched = replace(model, floor=config.search_floor, prior=prior)
    turns, stage = config.untangle.turns, config.untangle.stage
    best, most = poses, -math.inf
    for done in range(turns):
        wrong = minority(agreement)
        if not wrong.any():
            break
        poses = run_stage(
            apply_half_turns(poses, wrong[None]), searched, stage, generator, lambda fraction: None, _REACH
        )
        agreement = _agreement(poses, model, folds, config)
        if (found := consistency(agreement)) > most:
            best, most = poses, found
        tick((done + 1) / (turns + 1))
    return best


def _agreement(poses: Hypotheses, model: Model, folds: Tensor, config: ReconConfig) -> Tensor:
    resolution = config.medium.resolution
    volumes = build_volumes(poses, model.evidence, folds, resolution, model.distance, model.mirror)
    return odd_agreement(volumes, 0, model)
