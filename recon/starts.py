"""Where a cold search begins: random poses, the same for views that look alike.

Views that look alike are mostly seen from near the same side, and a view that looks like another's mirror image
from near the mirrored side. Random poses that respect this are right in more places at once than independent
ones, so more of the searches that begin there find the truth.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recon.config import Stage
from recon.em import Model
from recon.evidence import Evidence
from recon.render import framing
from recon.volume import Hypotheses, sphere

_ELEVATION = math.radians(15)
_SILHOUETTE_SHARE = 0.3


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


def grouped_starts(model: Model, stage: Stage, groups: int, generator: torch.Generator) -> Hypotheses:
    """Azimuths uniform for some views drawn at random, the others share their nearest one's.

    Elevation is 15 degrees, and every view sees a sphere.

    Args:
        model: views and camera model.
        stage: gives the number of hypotheses and the resolution.
        groups: views drawn for each hypothesis; with as many as there are views, every azimuth is its own.
        generator: source of all randomness.
    """
    views, device = len(model.evidence), model.evidence.masks.device
    same, mirrored = (table.cpu() for table in likeness(model.evidence))
    azimuth = torch.stack([_azimuths(same, mirrored, groups, generator) for _ in range(stage.hypotheses)])
    angles = torch.stack([azimuth, torch.full_like(azimuth, _ELEVATION), azimuth * 0], -1).to(device)
    frame = framing(sphere(1, stage.resolution, device), angles[:1, :1], model.distance)
    weight = model.evidence.usable.to(angles.dtype).expand(stage.hypotheses, views)
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
