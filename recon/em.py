"""E-step and the alternation with the M-step: exhaustive search of every view's pose, cross-fitted.

Closed-form expectation maximisation over an occupancy-and-feature volume. A view is scored only against the
volume that was built without its fold, so a hypothesis cannot earn score by memorising a view where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon.candidates import features_at, frame_grid, render_grid
from recon.config import ReconConfig, Stage
from recon.evidence import Evidence
from recon.geometry import pose_grid, wrap
from recon.guess import Prior, agreement, lean, leant
from recon.volume import HALF_EXTENT, Hypotheses, Volumes, build_volumes

_DOUBTED_SHARE, _DOUBTED_WEIGHT = 0.2, 0.3
_AT_ONCE = 1 << 21, 1 << 28
"""Numbers that are compared at once, on a processor, whose caches should hold them, and on other devices."""
_PRIOR_SHARE = 0.02
"""Score that a nat of agreement with the prior is worth; wrong solutions differ by about 0.01 in score."""


@dataclass(frozen=True, slots=True)
class Model:
    """What stays fixed during a search.

    Attributes:
        evidence: the views.
        distance: camera distance in volume units.
        mirror: whether the object is taken to be symmetric in x.
        floor: share of the score earned by silhouettes alone.
        elevations: lowest and highest elevation in radians.
        prior: what single views tell of their poses, where they tell any.
    """

    evidence: Evidence
    distance: float
    mirror: bool
    floor: float
    elevations: tuple[float, float]
    prior: Prior | None = None

    @classmethod
    def of(cls, evidence: Evidence, config: ReconConfig) -> Model:
        """The model that a configuration asks for."""
        distance = HALF_EXTENT / math.tan(math.radians(config.object_fov) / 2)
        low, high = (math.radians(e) for e in config.elevations)
        return cls(evidence, distance, config.symmetry == "mirror", config.appearance_floor, (low, high))

    def candidates(self, azimuths: int, elevations: int) -> Tensor:
        """Grid of candidate angles ``(K, 3)`` over the full turn and the allowed elevations."""
        low, high = self.elevations
        margin = (high - low) / (2 * elevations)
        steps = [low + margin * (2 * i + 1) for i in range(elevations)]
        return pose_grid(azimuths, steps, self.evidence.masks.device)


def assign_folds(count: int, folds: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Balanced random folds ``(count,)``."""
    order = torch.randperm(count, generator=generator)
    return (order % folds).to(device)


def overlap_score(alpha: Tensor, agreement: Tensor, mask: Tensor, floor: float) -> Tensor:
    """Score: sum of A M (floor + (1 - floor) cos) over the sum of max(A, M).

    Args:
        alpha: ``(..., K, P)`` rendered silhouettes.
        agreement: ``(..., N, K)`` sum of A M cos over pixels.
        mask: ``(..., N, P)``.
        floor: share earned by silhouettes alone.

    Returns:
        ``(..., N, K)``, at most 1.
    """
    both = mask @ alpha.transpose(-1, -2)
    either = alpha.sum(-1)[..., None, :] + mask.sum(-1)[..., None] - both
    return (floor * both + (1 - floor) * agreement) / either.clamp_min(1e-6)


def score_candidates(
    occupancy: Tensor, features: Tensor, candidates: Tensor, evidence: Evidence, model: Model
) -> tuple[Tensor, Tensor]:
    """Scores ``(N, K)`` of every view at candidates ``(K, 3)`` in one volume, and the candidates' frames ``(K, 3)``.

    Args:
        occupancy: ``(D, D, D)``.
        features: ``(D^3, C)``.
        candidates: of `Model.candidates`.
        evidence: the ``N`` views.
        model: camera model.
    """
    volume, distance = occupancy[None], model.distance
    frames = frame_grid(volume, candidates, distance, model.mirror)
    alpha, points = render_grid(volume, candidates, frames, distance, evidence.pixels, model.mirror)
    return match(alpha[0], points[0], features, evidence, model), frames[0]


def match(alpha: Tensor, points: Tensor, features: Tensor, evidence: Evidence, model: Model) -> Tensor:
    """Scores ``(N, K)`` of views against what is seen of a volume from ``K`` poses.

    Args:
        alpha: ``(K, P^2)`` silhouettes.
        points: ``(K, P^2, 3)`` surface points.
        features: ``(D^3, C)`` of the volume.
        evidence: the ``N`` views.
        model: camera model.
    """
    step = max(1, _AT_ONCE[alpha.device.type != "cpu"] // (alpha.shape[1] * features.shape[1]))
    parts, target = zip(torch.split(alpha, step), torch.split(points, step), strict=True), sought(evidence)
    agreement = [agree(some, features_at(there, features), target) for some, there in parts]
    return overlap_score(alpha, torch.cat(agreement, 1), evidence.masks, model.floor)


def sought(evidence: Evidence) -> Tensor:
    """What views show of the object, ``(N, P^2 C)``: features, and 0 outside their masks."""
    return (evidence.features * evidence.masks[..., None]).flatten(1)


def agree(alpha: Tensor, seen: Tensor, target: Tensor) -> Tensor:
    """Sum of A M cos ``(N, K)`` of `sought` over silhouettes ``(K, P^2)``; weights ``seen`` in place."""
    return target @ seen.mul_(alpha[..., None]).flatten(1).T


def search_scores(volumes: Volumes, model: Model, folds: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Held-out scores ``(H, N, K)`` of all views at candidates ``(K, 3)``, and the frames ``(H, K, 3)``.

    Frames are those of the volume of all views: what a view adds to the size of its own silhouette tells it nothing of
    its pose, and rendering them for every fold would take longer than scoring.
    """
    hypotheses, views = volumes.angles.shape[:2]
    scores = volumes.angles.new_zeros(hypotheses, views, len(candidates))
    distance, mirror = model.distance, model.mirror
    frames = frame_grid(volumes.occupancy[:, -1], candidates, distance, mirror)
    members = [(folds == fold).nonzero()[:, 0] for fold in range(int(folds.max()) + 1)]
    held_out = [model.evidence.select(rows) for rows in members]
    pixels = model.evidence.pixels
    for h in range(hypotheses):
        occupancy, features = volumes.occupancy[h, : len(members)], volumes.features[h, : len(members)]
        alpha, points = render_grid(occupancy, candidates, frames[h : h + 1], distance, pixels, mirror)
        for fold, (rows, part) in enumerate(zip(members, held_out, strict=True)):
            scores[h, rows] = match(alpha[fold], points[fold], features[fold], part, model)
    return scores, frames


def search(
    volumes: Volumes,
    model: Model,
    folds: Tensor,
    candidates: Tensor,
    reach: float | None = None,
    bias: Tensor | None = None,
) -> Hypotheses:
    """The E-step: the best candidate for every view, each against the volume without its fold.

    Args:
        volumes: from the M-step.
        model: views and camera model.
        folds: ``(N,)`` fold of each view.
        candidates: ``(K, 3)`` angles.
        reach: if given, only candidates within this angle (radians) of the current azimuth.
        bias: ``(H, N, K)`` added to the scores, in their standard deviations over a view's candidates, before the
            best is taken.
    """
    scores, frames = search_scores(volumes, model, folds, candidates)
    drawn = leant(scores, bias)
    if reach is not None:
        away = wrap(candidates[:, 0] - volumes.angles[..., :1]).abs() > reach
        drawn = drawn.masked_fill(away, -torch.inf)
    index = drawn.argmax(-1)
    best = scores.gather(-1, index[..., None])[..., 0]
    frame = frames.gather(1, index[..., None].expand(*index.shape, 3))
    return Hypotheses(candidates[index], frame, doubt(best, model.evidence.usable), best)


def doubt(score: Tensor, usable: Tensor) -> Tensor:
    """Weights ``(H, N)``: the lowest-scored fifth counts less, unusable views not at all."""
    cut = torch.quantile(score, _DOUBTED_SHARE, dim=1, keepdim=True)
    return torch.where(score < cut, _DOUBTED_WEIGHT, 1.0) * usable


def run_stage(
    poses: Hypotheses,
    model: Model,
    stage: Stage,
    generator: torch.Generator,
    tick: Callable[[float], None],
    reach: float | None = None,
) -> Hypotheses:
    """Alternates M- and E-step for the stage's rounds; ``tick`` is told the fraction done."""
    model = replace(model, evidence=model.evidence.leading(stage.dims).pooled(stage.pixels))
    candidates = model.candidates(stage.azimuths, stage.elevations)
    folds = assign_folds(len(model.evidence), stage.folds, generator, candidates.device)
    for done in range(stage.rounds):
        volumes = build_volumes(poses, model.evidence, folds, stage.resolution, model.distance, model.mirror)
        prior = model.prior
        bias = None if prior is None else lean(prior, poses, candidates, stage.lean, stage.tilt)
        poses = search(volumes, model, folds, candidates, reach, bias)
        tick((done + 1) / stage.rounds)
    return poses


def standing(poses: Hypotheses, model: Model) -> Tensor:
    """What hypotheses are ranked by ``(H,)``: weighted mean held-out score, and agreement with the prior."""
    score = (poses.weight * poses.score).sum(1) / poses.weight.sum(1).clamp_min(1e-6)
    if model.prior is None:
        return score
    return score + _PRIOR_SHARE * agreement(model.prior, poses.angles)
