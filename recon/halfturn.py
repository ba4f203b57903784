"""The half-turn test: which views of a hypothesis lie the wrong way round.

Silhouettes of a view and of its opposite are nearly mirror images, so EM readily mixes the two. Each view's
features are lifted at its pose and at the opposite one; half the difference is a signed vector that agrees
between views which lie the same way. The leading eigenvector of the vectors' degree-normalised Gram matrix
(spectral synchronisation over Z2; Cucuringu 2016) gives each view's sign.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.em import Model
from recon.geometry import wrap
from recon.render import framing, render
from recon.volume import Hypotheses, Volumes, voxel_index

_CELLS = 12
_NEAR = (math.radians(20), math.radians(25))


def half_turned(angles: Tensor) -> Tensor:
    """The poses ``(..., 3)`` seen from the opposite azimuth."""
    return torch.cat([wrap(angles[..., :1] + math.pi), angles[..., 1:]], -1)


def _lift_each(hull: Tensor, angles: Tensor, model: Model) -> Tensor:
    """Coarse feature volume ``(N, cells * C)`` of every view alone, at poses ``(N, 3)``."""
    frame = framing(hull[None], angles[None], model.distance)
    alpha, points = render(
        hull[None], angles[None], frame, pixels=model.evidence.pixels, samples=hull.shape[-1], distance=model.distance
    )
    evidence = model.evidence
    share = (alpha[0] * evidence.masks)[..., None]
    count, dims = len(evidence), evidence.features.shape[-1]
    cells = _CELLS**3
    flip = points.new_tensor([-1.0, 1.0, 1.0])
    sums = points.new_zeros(count * cells, dims)
    total = points.new_zeros(count * cells, 1)
    base = (torch.arange(count, device=points.device) * cells)[:, None]
    sources = [(points[0], evidence.features)]
    if model.mirror:
        sources.append((points[0] * flip, evidence.mirrored))
    for where, what in sources:
        rows = (voxel_index(where, _CELLS) + base).flatten()
        sums.index_add_(0, rows, (what * share).flatten(0, 1))
        total.index_add_(0, rows, share.flatten(0, 1))
    return (sums / total.clamp_min(0.5)).reshape(count, -1)


def odd_agreement(volumes: Volumes, h: int, model: Model) -> Tensor:
    """How far views of hypothesis ``h`` agree on which way round the object lies: ``(N, N)``, 0 on the diagonal.

    Positive where two lie the same way, negative where one is half a turn off; normalised by the views' degrees.
    """
    angles = volumes.angles[h]
    hull = volumes.occupancy[h, -1]
    apart = _lift_each(hull, angles, model) - _lift_each(hull, half_turned(angles), model)
    apart = F.normalize(apart, dim=1)
    azimuth = wrap(angles[:, None, 0] - angles[None, :, 0])
    elevation = (angles[:, None, 1] - angles[None, :, 1]) / _NEAR[1]
    same = torch.exp(-0.5 * ((azimuth / _NEAR[0]).square() + elevation.square()))
    turned = wrap(azimuth + math.pi) / _NEAR[0]
    opposite = torch.exp(-0.5 * (turned.square() + elevation.square()))
    apart = apart - (same - opposite) @ apart / (same + opposite).sum(1, keepdim=True)
    gram = F.normalize(apart, dim=1) @ F.normalize(apart, dim=1).T
    gram.fill_diagonal_(0)
    degree = gram.abs().sum(1).clamp_min(1e-6).rsqrt()
    return gram * degree[:, None] * degree


def minority(agreement: Tensor) -> Tensor:
    """Views ``(N,)`` that lie the other way round than most, by an ``odd_agreement``."""
    _, vectors = torch.linalg.eigh(agreement)
    sign: Tensor = vectors[:, -1] > 0
    return sign if sign.float().mean() <= 0.5 else ~sign


def consistency(agreement: Tensor) -> float:
    """Agreement of the views as they lie, over the most that turning some of them could give; 1 at best.

    Mixtures of views and opposite ones have about 0, whatever the object.
    """
    most = torch.linalg.eigvalsh(agreement)[-1].clamp_min(1e-6)
    return float(agreement.sum() / len(agreement) / most)


def apply_half_turns(poses: Hypotheses, turned: Tensor) -> Hypotheses:
    """Turns the marked views ``(H, N)`` of every hypothesis to the opposite azimuth."""
    return replace(poses, angles=torch.where(turned[..., None], half_turned(poses.angles), poses.angles))
