"""Projection matching: every view is searched anew against refined fields that were fitted without it.

A search over carved volumes ends where no view fits better elsewhere; cameras and field refined by gradients are sharp
enough to show which views still lie wrong. As the outer loop of single-particle refinement (Scheres, J. Struct. Biol.
2012, section 2.2) does, it keeps views and the fields that judge them apart, so that no view can hold on to a wrong
pose by what it wrote into the field itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.config import Realignment
from recon.em import Model, agree, assign_folds, doubt, overlap_score, search_scores, sought
from recon.fields import Field, march, occupied, ray_points
from recon.geometry import pixel_grid, wrap
from recon.joint import JointFit, refine_carved
from recon.types import Views
from recon.volume import Hypotheses, build_volumes

_NEAR = math.radians(20)
"""Candidates within this azimuth of the refined pose speak for it."""
_MARGIN = 1.0
"""Deviations over a view's candidates by which another pose has to be better."""

_CHUNK = 64
Tick = Callable[[float], None]


def realign(
    poses: Hypotheses, model: Model, views: Views, plan: Realignment, generator: torch.Generator, tick: Tick
) -> Hypotheses:
    """Refines and searches in turns, as long as what is found can be fitted better.

    Args:
        poses: one hypothesis.
        model: views and camera model.
        views: the same views, their masks at full sharpness.
        plan: how often and how finely.
        generator: source of all randomness.
        tick: told the fraction done.

    Returns:
        The poses that were fitted best, refined.
    """
    seed = int(torch.randint(2**31, (), generator=generator))

    def fit(rival: Hypotheses) -> JointFit:
        # The same rays for all, so that losses can be compared.
        return refine_carved(rival, model, views, plan.fit, torch.Generator().manual_seed(seed))

    best = fit(poses)
    for done in range(plan.rounds):
        rival = fit(_searched(best.poses, model, views, plan, generator))
        tick((done + 1) / plan.rounds)
        if rival.loss >= best.loss:
            break
        best = rival
    return best.poses


def _searched(
    poses: Hypotheses, model: Model, views: Views, plan: Realignment, generator: torch.Generator
) -> Hypotheses:
    """Every view where volumes and fields of other views like it best, if they like it there much better."""
    evidence = model.evidence
    candidates = model.candidates(plan.azimuths, plan.elevations)
    folds = assign_folds(len(evidence), plan.folds, generator, candidates.device)
    volumes = build_volumes(poses, evidence, folds, plan.resolution, model.distance, model.mirror, settle=False)
    scores, frames = search_scores(volumes, replace(model, floor=plan.floor), folds, candidates)
    rendered = torch.empty_like(scores[0])
    for fold in range(plan.folds):
        others, members = (folds != fold).nonzero()[:, 0], (folds == fold).nonzero()[:, 0]
        part = replace(model, evidence=evidence.select(others))
        shown = views.take(others.cpu().numpy())
        fit = refine_carved(poses.of_views(others), part, shown, plan.fit, generator)
        alpha, seen = _render(fit.field, candidates, frames[0], model, evidence.pixels)
        held_out = evidence.select(members).leading(seen.shape[-1])
        agreement = agree(alpha, F.normalize(seen, dim=-1, eps=1e-3), sought(held_out))
        rendered[members] = overlap_score(alpha, agreement, held_out.masks, model.floor)
    liked = _standard(scores[0]) + _standard(rendered)
    index = liked.argmax(-1)
    beside = wrap(candidates[:, 0] - poses.angles[0, :, :1]).abs() < _NEAR
    gain = liked.amax(-1) - liked.masked_fill(~beside, -torch.inf).amax(-1)
    moved = (gain > _MARGIN)[:, None]
    score = scores[0].gather(1, index[:, None])[None, :, 0]
    return Hypotheses(
        torch.where(moved, candidates[index], poses.angles[0])[None],
        torch.where(moved, frames[0, index], poses.frame[0])[None],
        doubt(score, evidence.usable),
        score,
    )


@torch.no_grad()
def _render(field: Field, angles: Tensor, frame: Tensor, model: Model, pixels: int) -> tuple[Tensor, Tensor]:
    """Alpha ``(K, P^2)`` and features ``(K, P^2, C)`` of a field at poses ``(K, 3)``."""
    cells, places = occupied(field), pixel_grid(pixels, angles.device)
    parts = []
    for some, frames in zip(torch.split(angles, _CHUNK), torch.split(frame, _CHUNK), strict=True):
        windows = places.expand(len(some), -1, -1)
        points, spacing = ray_points(some, frames, windows, field.resolution, model.distance)
        parts.append(march(field, points, spacing, cells))
    alphas, seen = zip(*parts, strict=True)
    return torch.cat(alphas), torch.cat(seen)


def _standard(scores: Tensor) -> Tensor:
    """Scores ``(N, K)`` in deviations over a view's candidates."""
    return (scores - scores.mean(1, keepdim=True)) / scores.std(1, keepdim=True).clamp_min(1e-6)
