"""Joint gradient refinement of a density field and the cameras, once a hypothesis is chosen.

The field is a grid of densities with a few feature channels, as in DVGO (Sun et al., CVPR 2022, section 3), rendered
by emission and absorption; poses are free as in BARF (Lin et al., ICCV 2021, section 3), whose coarse-to-fine
annealing is a blur of the grid in the first rounds here. Silhouettes that disagree a little pull their cameras into
place instead of carving thin parts away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recon.config import JointStage
from recon.em import Model
from recon.geometry import rotation
from recon.render import RADIUS
from recon.volume import Hypotheses

SURFACE_LEVEL = 0.3
"""Occupancy of the surface: densities of parts thinner than a voxel stay well below one half."""

_OPACITY = 25.0
"""Absorption per unit of length and density: a solid voxel of any of our grids is nearly opaque."""

_SEED_LEVEL, _SEED_SLOPE, _SEED_LIMIT = 0.8, 12.0, 4.0
_SMOOTH = 0.06
_FEATURE_WEIGHT = 0.5
_ANNEALED, _COOLED = 0.4, 0.5
_MAX_ROLL = 0.15
_RAYS_PER_VIEW = 200
_RATES = {"density": 0.15, "features": 0.05, "angles": 4e-3, "frame": 2e-3}


@dataclass(frozen=True, slots=True)
class _Field:
    """What is fitted.

    Attributes:
        density: ``(1, 1, D, D, D)`` logits.
        features: ``(1, C, D, D, D)``.
        angles: ``(N, 3)``.
        frame: ``(N, 3)``.
    """

    density: Tensor
    features: Tensor
    angles: Tensor
    frame: Tensor


@dataclass(frozen=True, slots=True)
class JointFit:
    """What a joint refinement ends with.

    Attributes:
        poses: the hypothesis with refined poses.
        occupancy: ``(D, D, D)`` in [0, 1].
        loss: what was minimised, mean over the last quarter of the steps.
    """

    poses: Hypotheses
    occupancy: NDArray[np.float32]
    loss: float


def refine_jointly(
    poses: Hypotheses,
    model: Model,
    seed: NDArray[np.float32],
    stage: JointStage,
    generator: torch.Generator,
    tick: Callable[[float], None] = lambda fraction: None,
) -> JointFit:
    """Fits densities, features, poses and frames to masks and features by Adam.

    Args:
        poses: one hypothesis.
        model: views and camera model.
        seed: mean back-projected mask ``(S, S, S)`` to start from, indexed z, y, x.
        stage: how long, at least one step, and how finely.
        generator: source of all randomness.
        tick: told the fraction done.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Tensors made in inference mode can't take part in a gradient; copies can.
        masks, features, weight = _targets(model, poses, stage)
        field = _start(poses, seed, stage, model)
        rates = [{"params": [getattr(field, name)], "lr": rate} for name, rate in _RATES.items()]
        optimizer = torch.optim.Adam(rates)
        losses: list[Tensor] = []
        for done in range(stage.steps):
            _cool(optimizer, done / stage.steps)
            loss = _loss(field, model, masks, features, weight, stage, done, generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.detach())
            with torch.no_grad():
                field.angles[:, 2].clamp_(-_MAX_ROLL, _MAX_ROLL)
            tick((done + 1) / stage.steps)
        refined = replace(poses, angles=field.angles.detach()[None], frame=field.frame.detach()[None])
        occupancy: NDArray[np.float32] = _mirrored(field.density, model).detach().sigmoid()[0, 0].cpu().numpy()
    loss = torch.stack(losses[-max(1, stage.steps // 4) :]).mean()
    return JointFit(refined, occupancy, float(loss))


def _targets(model: Model, poses: Hypotheses, stage: JointStage) -> tuple[Tensor, Tensor, Tensor]:
    """Masks ``(N, 1, M, M)``, leading features ``(N, C, P, P)`` of unit length, and weights ``(N,)``."""
    evidence = model.evidence
    features = F.normalize(evidence.features[..., : stage.dims], dim=-1).transpose(1, 2)
    side = evidence.pixels
    masks = evidence.fine_masks[:, None].clamp(0, 1).clone()
    return masks, features.unflatten(2, (side, side)).clone(), poses.weight[0].clone()  # type: ignore[no-untyped-call]


def _start(poses: Hypotheses, seed: NDArray[np.float32], stage: JointStage, model: Model) -> _Field:
    device = poses.angles.device
    votes = torch.tensor(seed, device=device)[None, None]
    votes = F.interpolate(votes, size=[stage.resolution] * 3, mode="trilinear", align_corners=False)
    logits = (_SEED_SLOPE * (votes / votes.max() - _SEED_LEVEL)).clamp(-_SEED_LIMIT, _SEED_LIMIT)
    features = torch.zeros(1, min(stage.dims, model.evidence.features.shape[-1]), *logits.shape[2:], device=device)
    parts = (logits, features, poses.angles[0].clone(), poses.frame[0].clone())
    return _Field(*(part.requires_grad_() for part in parts))


def _cool(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Lowers the rates to a tenth over the last half."""
    factor = 1.0 if share < _COOLED else 1 - 0.9 * (share - _COOLED) / (1 - _COOLED)
    for group, rate in zip(optimizer.param_groups, _RATES.values(), strict=True):
        group["lr"] = rate * factor


def _mirrored(density: Tensor, model: Model) -> Tensor:
    return (density + density.flip(-1)) / 2 if model.mirror else density


def _loss(
    field: _Field,
    model: Model,
    masks: Tensor,
    features: Tensor,
    weight: Tensor,
    stage: JointStage,
    done: int,
    generator: torch.Generator,
) -> Tensor:
    """Cross entropy of silhouettes, cosine distance of features, and the density's total variation."""
    rays = max(1, min(_RAYS_PER_VIEW, stage.rays // len(masks)))
    places = (torch.rand(len(masks), rays, 2, generator=generator) * 2 - 1).to(masks.device)
    jitter = float(torch.rand((), generator=generator))
    density = _mirrored(field.density, model)
    smooth = F.avg_pool3d(F.pad(density, (1,) * 6, mode="replicate"), 3, 1)
    alpha, seen = _march(field, smooth if done < _ANNEALED * stage.steps else density, model, places, jitter)
    mask = F.grid_sample(masks, places[:, :, None], align_corners=False)[:, 0, :, 0]
    target = F.grid_sample(features, places[:, :, None], align_corners=False)[..., 0].transpose(1, 2)
    outline = F.binary_cross_entropy(alpha.clamp(1e-4, 1 - 1e-4), mask, reduction="none").mean(1)
    apart = 1 - (F.normalize(seen, dim=-1, eps=1e-3) * target).sum(-1)
    appearance = (apart * mask * alpha.detach()).sum(1) / (mask.sum(1) + 1)
    fit = (weight * (outline + _FEATURE_WEIGHT * appearance)).sum() / weight.sum().clamp_min(1e-6)
    occupancy = density.sigmoid()
    steps = [(occupancy.diff(dim=axis).square() + 1e-4).sqrt().mean() for axis in (2, 3, 4)]
    return fit + _SMOOTH * torch.stack(steps).sum()


def _march(field: _Field, density: Tensor, model: Model, places: Tensor, jitter: float) -> tuple[Tensor, Tensor]:
    """Opacity ``(N, K)`` and features ``(N, K, C)`` along the rays through window places ``(N, K, 2)``.

    Emission and absorption with the quadrature of Max (1995), as in NeRF (Mildenhall et al., ECCV 2020, equation 3).
    """
    samples = density.shape[-1]
    flat = (places - field.frame[:, None, 1:]) / field.frame[:, None, :1]
    turn = rotation(field.angles)
    middle = -flat @ turn[:, :2]
    step = middle / model.distance + turn[:, 2:]
    spacing = 2 * RADIUS / samples
    depth = torch.linspace(-RADIUS, RADIUS, samples, device=places.device) + jitter * spacing
    points = (middle[..., None, :] + step[..., None, :] * depth[:, None]).flatten(0, 1)
    grid = points[None, :, :, None]
    logits = F.grid_sample(density, grid, align_corners=False, padding_mode="border")[0, 0, ..., 0]
    inside = (points.abs() < 1).all(-1)
    absorbed = F.softplus(logits) * inside * (_OPACITY * spacing)
    reached = torch.exp(-(absorbed.cumsum(-1) - absorbed))
    weights = reached * -torch.expm1(-absorbed)
    seen = F.grid_sample(field.features, grid, align_corners=False)[0, ..., 0]
    rendered = (seen * weights).sum(-1).T
    return weights.sum(-1).unflatten(0, places.shape[:2]), rendered.unflatten(0, places.shape[:2])  # type: ignore[no-untyped-call]
