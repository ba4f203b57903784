"""Joint gradient refinement of a field and the cameras, once a hypothesis is chosen.

The field, whatever keeps it (see `fields`), is rendered by emission and absorption; poses are free and the field goes
from coarse to fine as in BARF (Lin et al., ICCV 2021, section 3). Silhouettes that disagree a little pull their
cameras into place instead of carving thin parts away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recon.config import JointStage
from recon.em import Model
from recon.fields import Field, make_field, march, occupied, ray_points
from recon.mesh import carve
from recon.types import Views
from recon.volume import Hypotheses

SURFACE_LEVEL = 0.3
"""Occupancy of the surface: densities of parts thinner than a voxel stay well below one half."""

_SEED_LEVEL, _SEED_SLOPE, _SEED_LIMIT = 0.8, 12.0, 4.0
_SMOOTH = 0.06
_FEATURE_WEIGHT = 0.5
_COOLED = 0.5
_MAX_ROLL = 0.15
_RAYS_PER_VIEW = 200
_LEAST_MASK = 1 / _RAYS_PER_VIEW  # share of a window: a view that shows nothing of the object has no say on features
_POSE_RATES = {"angles": 4e-3, "frame": 2e-3}
_PRUNED_FROM, _PRUNE_EVERY = 0.25, 16


@dataclass(frozen=True, slots=True)
class JointFit:
    """What a joint refinement ends with.

    Attributes:
        poses: the hypothesis with refined poses.
        field: what was fitted.
        loss: what was minimised, mean over the last quarter of the steps.
    """

    poses: Hypotheses
    field: Field
    loss: float

    def occupancy(self, resolution: int) -> NDArray[np.float32]:
        """``(D, D, D)`` in [0, 1], indexed z, y, x."""
        grid: NDArray[np.float32] = self.field.grid(resolution).sigmoid().cpu().numpy()
        return grid


def refine_jointly(
    poses: Hypotheses,
    model: Model,
    logits: Tensor,
    stage: JointStage,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
) -> JointFit:
    """Fits densities, features, poses and frames to masks and features by Adam.

    Args:
        poses: one hypothesis.
        model: views and camera model.
        logits: ``(S, S, S)`` densities to start from, as `logits_of_votes` makes them, indexed z, y, x.
        stage: how long, at least one step, and how finely.
        generator: source of all randomness.
        tick: told the fraction done.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Tensors made in inference mode can't take part in a gradient; copies can.
        scene = _Scene.of(model, poses, stage)
        field = _start(logits, stage, model, generator)
        cameras = _Poses(poses.angles[0].clone().requires_grad_(), poses.frame[0].clone().requires_grad_())
        optimizer, losses = _optimizer(field, cameras), []
        cells = None
        for done in range(stage.steps):
            share = done / stage.steps
            _cool(optimizer, share)
            field.begin(share)
            if share >= _PRUNED_FROM and done % _PRUNE_EVERY == 0:
                cells = occupied(field)
            loss = _loss(field, cameras, scene, cells, stage, generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
            with torch.no_grad():
                cameras.angles[:, 2].clamp_(-_MAX_ROLL, _MAX_ROLL)
            tick((done + 1) / stage.steps)
        field.begin(1.0)
        refined = replace(poses, angles=cameras.angles.detach()[None], frame=cameras.frame.detach()[None])
    loss = torch.stack(losses[-max(1, stage.steps // 4) :]).mean()
    return JointFit(refined, field, float(loss))


def refine_carved(
    poses: Hypotheses,
    model: Model,
    views: Views,
    stage: JointStage,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
    before: Tensor | None = None,
) -> JointFit:
    """The same, from the votes of the views' own masks at full sharpness.

    They meet half way with the densities ``(D, D, D)`` that an earlier fit came to, if ``before`` tells any: these know
    thin parts, and votes what views that came since have seen.
    """
    votes, _ = carve(poses, model, views, stage.resolution, False)
    logits = logits_of_votes(torch.from_numpy(votes).to(poses.angles.device))
    if before is not None:
        logits = (logits + _resized(before, stage.resolution)) / 2
    return refine_jointly(poses, model, logits, stage, generator, tick)


def _resized(logits: Tensor, resolution: int) -> Tensor:
    size = [resolution] * 3
    return F.interpolate(logits[None, None], size=size, mode="trilinear", align_corners=False)[0, 0]


def logits_of_votes(votes: Tensor) -> Tensor:
    """Densities ``(S, S, S)`` to start from, where nothing is known but the mean back-projected mask."""
    return (_SEED_SLOPE * (votes / votes.max() - _SEED_LEVEL)).clamp(-_SEED_LIMIT, _SEED_LIMIT)


def logits_of_occupancy(occupancy: Tensor) -> Tensor:
    """Densities ``(S, S, S)`` to go on with, where an earlier fit has left its occupancy in [0, 1]."""
    return torch.logit(occupancy, eps=1e-3).clamp(-_SEED_LIMIT, _SEED_LIMIT)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is to be explained.

    Attributes:
        masks: ``(N, 1, M, M)``.
        features: ``(N, C, P, P)`` leading components, of unit length.
        weight: ``(N,)``.
        distance: camera distance.
    """

    masks: Tensor
    features: Tensor
    weight: Tensor
    distance: float

    @classmethod
    def of(cls, model: Model, poses: Hypotheses, stage: JointStage) -> _Scene:
        """The evidence as images."""
        evidence, side = model.evidence, model.evidence.pixels
        features = F.normalize(evidence.features[..., : stage.dims], dim=-1).transpose(1, 2).unflatten(2, (side, side))  # type: ignore[no-untyped-call]
        masks = evidence.fine_masks[:, None].clamp(0, 1)
        return cls(masks.clone(), features.clone(), poses.weight[0].clone(), model.distance)


@dataclass(frozen=True, slots=True)
class _Poses:
    """Angles ``(N, 3)`` and frames ``(N, 3)`` under refinement."""

    angles: Tensor
    frame: Tensor


def _start(logits: Tensor, stage: JointStage, model: Model, generator: torch.Generator) -> Field:
    # A copy: what was made in inference mode can't take part in a gradient.
    fine = _resized(logits.clone(), stage.resolution)
    dims = min(stage.dims, model.evidence.features.shape[-1])
    return make_field(stage.field, fine, dims, mirror=model.mirror, seed=generator.initial_seed())


def _optimizer(field: Field, cameras: _Poses) -> torch.optim.Adam:
    groups = [(getattr(field, name), rate) for name, rate in field.rates.items()]
    groups += [(getattr(cameras, name), rate) for name, rate in _POSE_RATES.items()]
    return torch.optim.Adam(
        [
            {"params": list(part.parameters()) if isinstance(part, nn.Module) else [part], "lr": rate, "first": rate}
            for part, rate in groups
        ],
        fused=True,
    )


def _cool(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Lowers the rates to a tenth over the last half."""
    factor = 1.0 if share < _COOLED else 1 - 0.9 * (share - _COOLED) / (1 - _COOLED)
    for group in optimizer.param_groups:
        group["lr"] = group["first"] * factor


def _places(views: int, rays: int, generator: torch.Generator) -> Tensor:
    """Where rays pass the windows of views, ``(N, K, 2)`` in [-1, 1]: one at random in each cell of a square grid.

    There are ``rays`` of them at most.
    """
    side = math.isqrt(rays)
    along = torch.arange(side, dtype=torch.float32)
    cells = torch.stack(torch.meshgrid(along, along, indexing="xy"), -1).reshape(1, -1, 2)
    return (cells + torch.rand(views, side * side, 2, generator=generator)) * (2 / side) - 1


def _loss(
    field: Field,
    cameras: _Poses,
    scene: _Scene,
    cells: Tensor | None,
    stage: JointStage,
    generator: torch.Generator,
) -> Tensor:
    """Cross entropy of silhouettes, cosine distance of features, and the density's total variation."""
    masks, device = scene.masks, scene.masks.device
    rays = max(1, min(_RAYS_PER_VIEW, stage.rays // len(masks)))
    places = _places(len(masks), rays, generator).to(device)
    jitter = float(torch.rand((), generator=generator))
    points, spacing = ray_points(cameras.angles, cameras.frame, places, field.resolution, scene.distance, jitter)
    alpha, seen = march(field, points, spacing, cells)
    mask = F.grid_sample(masks, places[:, :, None], align_corners=False)[:, 0, :, 0]
    target = F.grid_sample(scene.features, places[:, :, None], align_corners=False)[..., 0].transpose(1, 2)
    outline = F.binary_cross_entropy(alpha.clamp(1e-4, 1 - 1e-4), mask, reduction="none").mean(1)
    apart = 1 - (F.normalize(seen, dim=-1, eps=1e-3) * target).sum(-1)
    appearance = (apart * mask * alpha.detach()).mean(1) / (mask.mean(1) + _LEAST_MASK)
    weight = scene.weight
    fit = (weight * (outline + _FEATURE_WEIGHT * appearance)).sum() / weight.sum().clamp_min(1e-6)
    return fit + _SMOOTH * field.roughness()
