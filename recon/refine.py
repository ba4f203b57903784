"""Agreement of views with volumes, and continuous refinement of poses against one.

Each view tries random perturbations of its own pose, with shrinking steps, and keeps what scores higher. Roll, scale
and offset, which the exhaustive search leaves to the priors, become free here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.candidates import render_features
from recon.em import Model
from recon.evidence import Evidence
from recon.volume import Hypotheses, Volumes

_PAIRS = 5  # opposite perturbations that a view tries in each step
_STEPS = (1.0, 0.7, 0.5, 0.3, 0.2)
_SPREAD = (math.radians(10), math.radians(7), math.radians(3), 0.06, 0.05, 0.05)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Agreement of views with volumes they did not help to build, each ``(N,)``.

    Attributes:
        score: see ``overlap_score``.
        iou: of silhouettes.
        distance: mean cosine distance of features on the common foreground.
    """

    score: Tensor
    iou: Tensor
    distance: Tensor


def judge(
    occupancy: Tensor, features: Tensor, angles: Tensor, frame: Tensor, evidence: Evidence, model: Model
) -> HeldOut:
    """Agreement of every view with its own candidates: fields of shape ``(n, K)``.

    Args:
        occupancy: ``(D, D, D)`` of one volume.
        features: ``(D^3, C)``.
        angles: ``(n, K, 3)`` candidates of each view.
        frame: ``(n, K, 3)``.
        evidence: the ``n`` views.
        model: camera model.
    """
    met = _meet(occupancy, features, angles, frame, evidence, model)
    length = met.seen.norm(dim=-1).clamp_min(1e-6)
    cosine_mean = (met.agreement / length).sum(-1) / met.both.clamp_min(1e-6)
    return HeldOut(met.score, met.both / met.either, 1 - cosine_mean)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Views and what is rendered at their candidates.

    Attributes:
        seen: ``(n, K, P^2, C)`` rendered features.
        agreement: ``(n, K, P^2)`` of features on the common foreground.
        both: ``(n, K)`` pixels of the common foreground.
        either: ``(n, K)`` pixels of either foreground.
        score: ``(n, K)``, see ``overlap_score``.
    """

    seen: Tensor
    agreement: Tensor
    both: Tensor
    either: Tensor
    score: Tensor


def _meet(
    occupancy: Tensor, features: Tensor, angles: Tensor, frame: Tensor, evidence: Evidence, model: Model
) -> _Meeting:
    shape = angles.shape[:2]
    alpha, seen = render_features(
        occupancy[None],
        features[None],
        angles.reshape(1, -1, 3),
        frame.reshape(1, -1, 3),
        model.distance,
        evidence.pixels,
    )
    alpha, seen = alpha.reshape(*shape, -1), seen.reshape(*shape, alpha.shape[-1], -1)
    common = alpha * evidence.masks[:, None]
    agreement = common * torch.einsum("nkpc,npc->nkp", seen, evidence.features)
    both = common.sum(-1)
    either = (alpha.sum(-1) + evidence.masks.sum(-1)[:, None] - both).clamp_min(1e-6)
    score = (model.floor * both + (1 - model.floor) * agreement.sum(-1)) / either
    return _Meeting(seen, agreement, both, either, score)


def judge_held_out(volumes: Volumes, poses: Hypotheses, folds: Tensor, model: Model) -> HeldOut:
    """Agreement ``(N,)`` of each view, at the first hypothesis' pose, with the volume without its fold."""
    parts = [poses.score.new_zeros(len(folds)) for _ in range(3)]
    for fold in range(int(folds.max()) + 1):
        members = (folds == fold).nonzero()[:, 0]
        found = judge(
            volumes.occupancy[0, fold],
            volumes.features[0, fold],
            poses.angles[0, members, None],
            poses.frame[0, members, None],
            model.evidence.select(members),
            model,
        )
        for out, value in zip(parts, (found.score, found.iou, found.distance), strict=True):
            out[members] = value[:, 0]
    return HeldOut(*parts)


def _opposite(count: int, generator: torch.Generator) -> Tensor:
    """Perturbations ``(count, T, 6)`` in opposite pairs: where one way is worse, the other is mostly better.

    Antithetic variates (Hammersley & Morton, "A new Monte Carlo technique", Mathematical Proceedings of the Cambridge
    Philosophical Society 52(3), 1956). Ten of them place a view as well as eleven independent ones.
    """
    half = torch.randn(count, _PAIRS, 6, generator=generator)
    return torch.cat([half, -half], 1)


def wiggle(
    occupancy: Tensor,
    features: Tensor,
    angles: Tensor,
    frame: Tensor,
    evidence: Evidence,
    model: Model,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Perturbs poses ``(n, 3)`` and frames ``(n, 3)``, keeps the best; returns both and the score ``(n,)``.

    Args:
        occupancy: ``(D, D, D)`` of one volume.
        features: ``(D^3, C)``.
        angles: ``(n, 3)`` where to begin.
        frame: ``(n, 3)``.
        evidence: the ``n`` views.
        model: camera model.
        generator: source of the perturbations.
    """
    spread = angles.new_tensor(_SPREAD)
    low, high = model.elevations
    pose, rows = torch.cat([angles, frame], -1), torch.arange(len(angles), device=angles.device)
    pose[:, 1] = pose[:, 1].clamp(low, high)
    score = _meet(occupancy, features, pose[:, None, :3], pose[:, None, 3:], evidence, model).score
    for step in _STEPS:
        noise = _opposite(len(pose), generator).to(pose.device) * (spread * step)
        trial = pose[:, None] + noise
        trial[..., 1] = trial[..., 1].clamp(low, high)
        trial[..., 3] = pose[:, None, 3] * noise[..., 3].exp()
        found = _meet(occupancy, features, trial[..., :3], trial[..., 3:], evidence, model)
        score, best = torch.cat([score, found.score], 1).max(1, keepdim=True)
        pose = torch.cat([pose[:, None], trial], 1)[rows, best[:, 0]]
    return pose[:, :3], pose[:, 3:], score[:, 0]
