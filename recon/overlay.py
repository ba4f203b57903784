"""A shape drawn over a photo through a recovered camera."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recon.preview import draw
from recon.types import Cameras, Mesh

_OPACITY = 0.6
_OUTLINE = np.array([255, 60, 180], np.float32)
_NEAREST = 1e-3


def render_overlay(mesh: Mesh, cameras: Cameras, view: int, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mesh, half transparent and outlined, over the square crop that a camera is of.

    Args:
        mesh: in the object frame.
        cameras: of one or more views.
        view: which of them.
        photo: ``(S, S, 3)`` its crop.

    Returns:
        ``(S, S, 3)`` uint8.
    """
    points = torch.from_numpy(mesh.vertices) @ torch.from_numpy(cameras.R[view]).T + torch.from_numpy(cameras.t[view])
    points[:, 2].clamp_(min=_NEAREST)  # what lies behind the camera lands far outside the picture
    focal = float(1 / np.tan(cameras.fov[view] / 2))
    rgba = draw(mesh, points, focal, torch.from_numpy(cameras.offset[view]), len(photo)).numpy()
    alpha = rgba[..., 3:]
    mixed = photo * (1 - _OPACITY * alpha) + 255 * _OPACITY * rgba[..., :3]
    mixed[outline(alpha[..., 0] > 0.5)] = _OUTLINE
    return np.clip(mixed, 0, 255).round().astype(np.uint8)


def outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask ``(S, S)`` that touch one outside it."""
    padded = np.pad(inside, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~inner
