"""Rotational symmetry, as a rival hypothesis: a surface of revolution that explains the silhouettes as well.

For such an object azimuth cannot be told, and a free search only fits noise with it. So a surface of revolution,
whose views differ in elevation alone, is fitted beside the free shape; if its held-out silhouettes agree with
the masks as well as the free shape's do, it is the simpler explanation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon.em import Model, assign_folds, search
from recon.geometry import pose_grid
from recon.refine import judge_held_out
from recon.render import framing
from recon.volume import Hypotheses, build_volumes, sphere

_ROUNDS, _FOLDS, _ELEVATIONS, _RESOLUTION = 6, 4, 10, 24


@dataclass(frozen=True, slots=True)
class Revolution:
    """A surface of revolution fitted to all views.

    Attributes:
        poses: one hypothesis, all azimuths 0.
        folds: ``(N,)`` folds its scores were held out by.
        iou: mean held-out silhouette IoU.
    """

    poses: Hypotheses
    folds: Tensor
    iou: float


def fit_revolution(model: Model, generator: torch.Generator) -> Revolution:
    """Alternates carving and the search of elevations, by silhouettes alone."""
    device, count = model.evidence.masks.device, len(model.evidence)
    outline = replace(model, floor=1.0, evidence=model.evidence.leading(1))
    low, high = model.elevations
    steps = [low + (high - low) * i / (_ELEVATIONS - 1) for i in range(_ELEVATIONS)]
    candidates = pose_grid(1, steps, device)
    folds = assign_folds(count, _FOLDS, generator, device)
    angles = torch.zeros(1, count, 3, device=device)
    angles[..., 1] = max(low, min(high, 0.26))
    frame = framing(sphere(1, _RESOLUTION, device), angles, model.distance)
    weight = model.evidence.usable.to(angles.dtype)[None]
    poses = Hypotheses(angles, frame, weight, weight * 0)
    for _ in range(_ROUNDS):
        volumes = build_volumes(
            poses, outline.evidence, folds, _RESOLUTION, model.distance, model.mirror, round_about=True
        )
        poses = search(volumes, outline, folds, candidates)
    return Revolution(poses, folds, float(judge_held_out(volumes, poses, folds, outline).iou.mean()))
