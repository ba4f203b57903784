"""Warm start: a cluster grew, so its shape is continued instead of searched anew."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recon.camera import Placement, from_cameras, select_cameras
from recon.cold import Found
from recon.config import ReconConfig
from recon.em import Model, assign_folds, doubt
from recon.evidence import Evidence
from recon.geometry import voxel_grid
from recon.progress import Reporter
from recon.register import register_evidence
from recon.result import Shape
from recon.types import Cameras
from recon.volume import HALF_EXTENT, Hypotheses


def warm_start(
    ids: np.ndarray[tuple[int], np.dtype[np.int64]],
    model: Model,
    known_ids: np.ndarray[tuple[int], np.dtype[np.int64]],
    shape: Shape,
    config: ReconConfig,
    generator: torch.Generator,
    report: Reporter,
    seed: int,
) -> Found:
    """Keeps the cameras of known views and registers the others; they are refined together as the density is.

    What is fitted next begins half way between the masks' votes and the density of the version before. Poses are not
    polished against carved volumes first: what comes of it has surfaces no better.

    Args:
        ids: ``(N,)`` of the views in ``model``.
        model: views in the shape's feature components, and what they tell of their poses.
        known_ids: ids of the shape's cameras.
        shape: the version to continue.
        config: of the registration, and the number of folds.
        generator: source of randomness.
        report: where progress goes.
        seed: of the registration.
    """
    tick = report.span("register", 0.05, 0.85)
    poses = placed(ids, model, known_ids, shape, config, seed)
    tick(1.0)
    folds = assign_folds(len(ids), config.fine.folds, generator, poses.angles.device)
    return Found(poses, folds, density=carried(shape, centred(model.distance), poses.angles.device))


def placed(
    ids: np.ndarray[tuple[int], np.dtype[np.int64]],
    model: Model,
    known_ids: np.ndarray[tuple[int], np.dtype[np.int64]],
    shape: Shape,
    config: ReconConfig,
    seed: int,
) -> Hypotheses:
    """The known solution as a hypothesis: known views where they were, the others registered to the shape.

    Args:
        ids: ``(N,)`` of the views in ``model``.
        model: views in the shape's feature components, and what they tell of their poses.
        known_ids: ids of the shape's cameras.
        shape: whose cameras they are.
        config: of the registration.
        seed: of the registration.
    """
    row = {int(known): r for r, known in enumerate(known_ids)}
    new = np.array([i for i, each in enumerate(ids) if int(each) not in row], dtype=np.int64)
    old = np.array([i for i, each in enumerate(ids) if int(each) in row], dtype=np.int64)
    place = centred(model.distance)
    angles = torch.zeros(len(ids), 3, device=model.evidence.masks.device)
    frame, score = torch.zeros_like(angles), torch.zeros_like(angles[:, 0])
    if len(new):
        index = torch.from_numpy(new).to(angles.device)
        part, prior = model.evidence.select(index), model.prior and model.prior.select(index)
        _take(angles, frame, score, new, register_evidence(part, prior, shape, config, seed), part, place)
    if len(old):
        part = model.evidence.select(torch.from_numpy(old).to(angles.device))
        rows = np.array([row[int(ids[i])] for i in old])
        kept = select_cameras(shape.cameras, rows)
        _take(angles, frame, score, old, kept, part, place)
    weight = doubt(score[None], model.evidence.usable)
    return Hypotheses(angles[None], frame[None], weight, score[None])


def centred(distance: float) -> Placement:
    """Where the object lies in the volume that is seen from a distance."""
    return Placement((0.0, 0.0, 0.0), 2 * HALF_EXTENT, distance)


def carried(shape: Shape, place: Placement, device: torch.device) -> Tensor | None:
    """The shape's density ``(J, J, J)`` as it lies in another placement of the object; None if it has none."""
    density = torch.from_numpy(shape.field.density.astype(np.float32) / 255).to(device)
    if not density.numel():
        return None
    here = voxel_grid(len(density), device).reshape(1, *density.shape, 3)
    there = shape.field.place.to_volume(place.to_object(here))
    return F.grid_sample(density[None, None], there, align_corners=False)[0, 0]


def _take(
    angles: Tensor,
    frame: Tensor,
    score: Tensor,
    where: np.ndarray[tuple[int], np.dtype[np.int64]],
    cameras: Cameras,
    evidence: Evidence,
    place: Placement,
) -> None:
    index = torch.from_numpy(where).to(angles.device)
    angles[index], frame[index] = from_cameras(cameras, evidence, place)
    score[index] = 1 - torch.from_numpy(cameras.loss).to(angles.device)
