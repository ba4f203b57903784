"""Continuous refinement of poses and frames once the hypothesis is chosen.

Each view tries random perturbations of its own pose, with shrinking steps, against the volume without its
fold, and keeps what scores higher. Roll, scale and offset, which the exhaustive search leaves to the priors,
become free here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon.em import Model, doubt, render_features
from recon.evidence import Evidence
from recon.volume import Hypotheses, Volumes, build_volumes

_TRIALS = 12
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
    agreement = torch.einsum("nkpc,npc->nkp", seen, evidence.features)
    length = seen.norm(dim=-1).clamp_min(1e-6)
    common = alpha * evidence.masks[:, None]
    both = common.sum(-1)
    either = alpha.sum(-1) + evidence.masks.sum(-1)[:, None] - both
    score = (common * (model.floor + (1 - model.floor) * agreement)).sum(-1) / either.clamp_min(1e-6)
    cosine_mean = (common * agreement / length).sum(-1) / both.clamp_min(1e-6)
    return HeldOut(score, both / either.clamp_min(1e-6), 1 - cosine_mean)


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


def wiggle(
    occupancy: Tensor,
    features: Tensor,
    angles: Tensor,
    frame: Tensor,
    evidence: Evidence,
    model: Model,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Perturbs poses ``(n, 3)`` and frames ``(n, 3)``, keeps the best; returns both and the score ``(n,)``."""
    spread = angles.new_tensor(_SPREAD)
    low, high = model.elevations
    pose = torch.cat([angles, frame], -1)
    for step in _STEPS:
        noise = torch.randn(len(pose), _TRIALS, 6, generator=generator).to(pose.device) * (spread * step)
        noise[:, 0] = 0
        trial = pose[:, None] + noise
        trial[..., 1] = trial[..., 1].clamp(low, high)
        trial[..., 3] = pose[:, None, 3] * noise[..., 3].exp()
        found = judge(occupancy, features, trial[..., :3], trial[..., 3:], evidence, model)
        score, best = found.score.max(1)
        pose = trial[torch.arange(len(pose), device=pose.device), best]
    return pose[:, :3], pose[:, 3:], score


def polish(
    poses: Hypotheses,
    model: Model,
    folds: Tensor,
    resolution: int,
    rounds: int,
    generator: torch.Generator,
    tick: Callable[[float], None],
) -> Hypotheses:
    """Alternates the M-step and continuous refinement of one hypothesis; frames stay where they settle."""
    for done in range(rounds):
        volumes = build_volumes(poses, model.evidence, folds, resolution, model.distance, model.mirror, settle=False)
        angles, frame, score = (x.clone() for x in (poses.angles, poses.frame, poses.score))
        for fold in range(int(folds.max()) + 1):
            m = (folds == fold).nonzero()[:, 0]
            angles[0, m], frame[0, m], score[0, m] = wiggle(
                volumes.occupancy[0, fold],
                volumes.features[0, fold],
                angles[0, m],
                frame[0, m],
                model.evidence.select(m),
                model,
                generator,
            )
        poses = replace(poses, angles=angles, frame=frame, score=score, weight=doubt(score, model.evidence.usable))
        tick((done + 1) / rounds)
    return poses
