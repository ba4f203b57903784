"""A new shape beside the version before, on images that neither was fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon import Cameras, Reconstruction, Views, register


@dataclass(frozen=True, slots=True)
class Trial:
    """How two shapes explain the same images.

    Attributes:
        images: that judge; those that show neither shape do not.
        loss: mean reprojection loss of the new shape; 0 without images.
        baseline_loss: of the version before; 1 without images.
        cameras: of all images that were tried, registered to the new shape.
    """

    images: int
    loss: float
    baseline_loss: float
    cameras: Cameras


def find_misfits(views: Views, found: Reconstruction, device: str) -> list[int]:
    """Ids of the views that fit a shape at no pose: neither where the fit left them nor anywhere else.

    Args:
        views: those that the shape was reconstructed from, in its order.
        found: the reconstruction; only of a shape with trustworthy cameras is anything said.
        device: torch device to compute on.
    """
    if found.shape is None or found.verdict != "shape":
        return []
    suspects = np.flatnonzero(found.shape.cameras.weight == 0)
    if not len(suspects):
        return []
    anywhere = register(views.take(suspects), found, device=device)
    return [int(each) for each in views.ids[suspects[anywhere.weight == 0]]]


def hold_trial(views: Views, before: Reconstruction, found: Reconstruction, device: str) -> Trial:
    """Registers images to both shapes alike.

    Args:
        views: images that neither shape was fitted to, at least one.
        before: the published version.
        found: the new one.
        device: torch device to compute on.

    Raises:
        ReconstructionError: one of them has no shape.
    """
    old, new = (register(views, each, device=device) for each in (before, found))
    judges = np.flatnonzero((old.weight > 0) | (new.weight > 0))
    if not len(judges):
        return Trial(0, 0.0, 1.0, new)
    return Trial(len(judges), float(new.loss[judges].mean()), float(old.loss[judges].mean()), new)
