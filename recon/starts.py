"""Where a cold search begins: poses drawn from what single views tell, and random ones shared by views that look alike.

The guesses of single views are often wrong by a quarter or half turn, but right for enough views that a search over
all of them sets the others right. Where guesses fail, random poses remain: views that look alike are mostly seen from
near the same side, and a view that looks like another's mirror image from near the mirrored side. Random poses that
respect this are right in more places at once than independent ones, so more of the searches that begin there find
the truth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recon.config import Stage
from recon.em import Model
from recon.evidence import Evidence
from recon.render import framing
from recon.types import Viewpoints
from recon.volume import Hypotheses, sphere

_ELEVATION = math.radians(15)
_SILHOUETTE_SHARE = 0.3
_SHARPNESS = (1.0, 1.4, 2.0, 3.3)
"""Exponents of the odds: the heads that give them are too sure of some views and not sure enough of others."""


def likeness(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """How much each view looks like each other one ``(N, N)``, and like each other one's mirror image.

    Features are compared place by place over the common foreground, and silhouettes by their overlap.
    """
    side = evidence.pixels

    def turned(rows: Tensor) -> Tensor:
        return rows.reshape(len(rows), side, side, -1).flip(2).reshape(rows.shape)

    masks, features = evidence.masks, evidence.features
    return (
        _agreement(masks, features, masks, features),
        _agreement(masks, features, turned(masks), turned(evidence.mirrored)),
    )


def guessed_starts(model: Model, stage: Stage, viewpoints: Viewpoints, generator: torch.Generator) -> Hypotheses:
    """Every view's likeliest azimuth in the first start, azimuths drawn by their odds, more or less sharply, in others.

    Args:
        model: views and camera model.
        stage: gives the number of hypotheses and the resolution.
        viewpoints: guesses of the same views.
        generator: source of all randomness.
    """
    odds = torch.from_numpy(viewpoints.azimuth)
    low, high = (math.degrees(e) for e in model.elevations)
    elevation = torch.from_numpy(viewpoints.elevation).clamp(low, high).deg2rad()
    bins = [odds.argmax(-1)]
    for number in range(1, stage.hypotheses):
        sharpness = _SHARPNESS[number % len(_SHARPNESS)]
        bins.append(torch.multinomial((odds * sharpness).softmax(-1), 1, generator=generator)[:, 0])
    inside = torch.rand(stage.hypotheses, len(odds), generator=generator) - 0.5
    azimuth = (torch.stack(bins) + inside) * (2 * math.pi / odds.shape[-1])
    return _sphere_seen(model, stage, azimuth, elevation.expand_as(azimuth))


def grouped_starts(model: Model, stage: Stage, groups: int, generator: torch.Generator) -> Hypotheses:
    """Azimuths uniform for some views drawn at random, the others share their nearest one's.

    Elevations are those of the model's prior, 15 degrees where there is none.

    Args:
        model: views and camera model.
        stage: gives the number of hypotheses and the resolution.
        groups: views drawn for each hypothesis; with as many as there are views, every azimuth is its own.
        generator: source of all randomness.
    """
    same, mirrored = (table.cpu() for table in likeness(model.evidence))
    azimuth = torch.stack([_azimuths(same, mirrored, groups, generator) for _ in range(stage.hypotheses)])
    return _sphere_seen(model, stage, azimuth, _elevations(model).expand_as(azimuth))


def _elevations(model: Model) -> Tensor:
    """Elevations ``(N,)`` to begin with."""
    if model.prior is None:
        return torch.full((len(model.evidence),), _ELEVATION)
    return model.prior.elevation.cpu().clamp(*model.elevations)


def _sphere_seen(model: Model, stage: Stage, azimuth: Tensor, elevation: Tensor) -> Hypotheses:
    """Hypotheses at azimuths and elevations ``(H, N)`` in which every view sees a sphere."""
    device = model.evidence.masks.device
    angles = torch.stack([azimuth, elevation, azimuth * 0], -1).to(device)
    frame = framing(sphere(1, stage.resolution, device), angles[:1, :1], model.distance)
    weight = model.evidence.usable.to(angles.dtype).expand(azimuth.shape)
    return Hypotheses(angles, frame.expand_as(angles), weight, weight * 0)


def _azimuths(same: Tensor, mirrored: Tensor, groups: int, generator: torch.Generator) -> Tensor:
    """Azimuths ``(N,)`` of one start."""
    seeds = torch.randperm(len(same), generator=generator)[:groups]
    best = torch.maximum(same, mirrored)[:, seeds]
    best[seeds, torch.arange(len(seeds))] = torch.inf
    nearest = best.argmax(1)
    flipped = mirrored[:, seeds].gather(1, nearest[:, None]) > same[:, seeds].gather(1, nearest[:, None])
    flipped[seeds] = False
    azimuth = torch.rand(len(seeds), generator=generator) * (2 * math.pi)
    return torch.where(flipped[:, 0], -azimuth[nearest], azimuth[nearest])


def _agreement(masks: Tensor, features: Tensor, others: Tensor, other_features: Tensor) -> Tensor:
    both = masks @ others.T
    either = masks.sum(1)[:, None] + others.sum(1) - both
    cosines = (features * masks[..., None]).flatten(1) @ (other_features * others[..., None]).flatten(1).T
    return (cosines + _SILHOUETTE_SHARE * both) / either.clamp_min(1e-6)
