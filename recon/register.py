"""Registers new images to a shape: exhaustive search over rendered features, then local refinement.

As 3D Congealing (ECCV 2024) registers an image to a canonical shape, with the scale and offset of each
candidate given by the moments of its silhouette instead of searched, and a lean to the elevation that the image seems
to be taken from.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ops.errors import ReconstructionError
from recon.alternatives import PLACING_FLOOR, find_modes, grid_of, with_alternatives
from recon.camera import to_cameras
from recon.config import ReconConfig
from recon.em import Model, score_candidates
from recon.evidence import Evidence, gather_evidence
from recon.guess import Prior, lean_up, leant, prior_of
from recon.refine import judge, wiggle
from recon.result import Reconstruction, Shape
from recon.types import Cameras, Views

_TILT = 0.5
"""Weight of guessed elevations, in standard deviations of a view's scores for each nat."""
STRANGER_SHARE = 0.5
"""A view that scores below this share of the shape's own mean score is a stranger."""


def register(
    views: Views,
    reconstruction: Reconstruction,
    config: ReconConfig | None = None,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Cameras:
    """Cameras of new views of a known shape.

    Args:
        views: their features must come from the backbone the shape was made with.
        reconstruction: with a shape.
        config: for the range of elevations; defaults to ``ReconConfig()``.
        seed: of the local refinement.
        device: torch device to compute on.

    Returns:
        Cameras with the loss of each view, and alternatives to them; weight 0 for strangers.

    Raises:
        ReconstructionError: if there is no shape or the features have another number of channels.
    """
    if reconstruction.shape is None:
        raise ReconstructionError("images can be registered only to a reconstruction with a shape")
    place = torch.device(device)
    evidence = evidence_for(views, reconstruction.shape, place)
    prior = prior_of(views.viewpoints, place)
    return register_evidence(evidence, prior, reconstruction.shape, config or ReconConfig(), seed)


def evidence_for(views: Views, shape: Shape, device: torch.device) -> Evidence:
    """The views in the components of a shape's features.

    Raises:
        ReconstructionError: if the number of feature channels differs.
    """
    channels = shape.field.basis.projection.shape[0]
    if views.features.shape[1] != channels:
        raise ReconstructionError(
            f"views have {views.features.shape[1]} feature channels, the shape was made with {channels}"
        )
    return gather_evidence(views, shape.field.basis.to(device), device)


def register_evidence(evidence: Evidence, prior: Prior | None, shape: Shape, config: ReconConfig, seed: int) -> Cameras:
    """Like :func:`register`, for views already in the shape's feature components.

    Views are placed by features with little regard to silhouettes, which differ between instances, and judged by
    both, as the shape's own views were. Guessed azimuths are not listened to: where a shape is known it knows better,
    and they would mislead it.
    """
    device = evidence.masks.device
    field, generator = shape.field, torch.Generator().manual_seed(seed)
    base = Model.of(evidence, config)
    model = Model(evidence, field.place.distance, field.mirror, field.floor, base.elevations)
    placing = replace(model, floor=PLACING_FLOOR)
    with torch.inference_mode():
        occupancy, features = field.dense(device)
        candidates = grid_of(model)
        scores, frame = score_candidates(occupancy, features, candidates, evidence, placing)
        bias = None if prior is None else _TILT * lean_up(prior, candidates)
        best = leant(scores, bias).argmax(1)
        start = candidates[best], frame[best]
        angles, frames, _ = wiggle(occupancy, features, *start, evidence, placing, generator)
        score = judge(occupancy, features, angles[:, None], frames[:, None], evidence, model).score[:, 0]
        typical = 1 - shape.quality.loss
        weight = ((score >= STRANGER_SHARE * typical) & evidence.usable).to(score.dtype)
        cameras = to_cameras(angles, frames, evidence, field.place, (1 - score).clamp(0, 1), weight)
        if shape.quality.margin is None:
            return cameras
        modes = find_modes(scores, candidates, angles)
        return with_alternatives(cameras, modes, shape.quality.margin, candidates, frame, evidence, field.place)
