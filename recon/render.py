"""Rendering of occupancy volumes: silhouettes and the first surface point behind each pixel, batched."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.evidence import moments
from recon.geometry import pixel_grid, rotation

RADIUS = 1.25
"""Rays are followed this far before and behind the volume's centre."""
_FRAMING_PIXELS = 16
_FRAMING_HALF = 1.4
_BUDGET = 1_000_000


def _trace(
    volumes: Tensor, angles: Tensor, frame: Tensor, pixels: int, samples: int, distance: float
) -> tuple[Tensor, Tensor]:
    shared = len(angles) != len(volumes)
    batch, poses = angles.shape[:2]
    flat = (pixel_grid(pixels, angles.device) - frame[..., None, 1:]) / frame[..., None, :1]
    depth = torch.linspace(-RADIUS, RADIUS, samples, device=angles.device, dtype=angles.dtype)
    turn = rotation(angles)
    middle = -flat @ turn[..., :2, :]
    step = middle / distance + turn[..., 2:, :]
    points = middle[..., None, :] + step[..., None, :] * depth[:, None]
    points = points.reshape(batch, poses, pixels**2, samples, 3)
    if shared:
        # As channels of one volume: places and weights of the interpolation are found once for all of them.
        return F.grid_sample(volumes[None], points, align_corners=False)[0], points
    return F.grid_sample(volumes[:, None], points, align_corners=False)[:, 0], points


def render(
    volumes: Tensor, angles: Tensor, frame: Tensor, *, pixels: int, samples: int, distance: float
) -> tuple[Tensor, Tensor]:
    """Renders each volume at its own poses by maximum along the ray.

    Args:
        volumes: ``(B, D, D, D)`` occupancy in [0, 1], indexed z, y, x.
        angles: ``(B, K, 3)`` poses, see ``geometry``; ``(1, K, 3)`` for the same in all volumes, which is quicker.
        frame: ``(B, K, 3)`` or ``(1, K, 3)``, as the angles.
        pixels: side of the rendered window.
        samples: depths sampled along a ray.
        distance: camera distance in volume units.

    Returns:
        ``(B, K, pixels^2)`` alpha and ``(B, K, pixels^2, 3)`` first point with occupancy over one half
        (the densest point where there is none).
    """
    batch, poses = len(volumes), angles.shape[1]
    step = max(1, _BUDGET // (batch * pixels**2 * samples))
    order = torch.arange(samples, 0, -1, device=angles.device)
    alphas, surfaces = [], []
    for start in range(0, poses, step):
        part = slice(start, start + step)
        values, points = _trace(volumes, angles[:, part], frame[:, part], pixels, samples, distance)
        alpha, densest = values.max(-1)
        inside = (values > 0.5) * order
        first = torch.where(alpha > 0.5, inside.argmax(-1), densest)
        index = first[..., None, None].expand(*first.shape, 1, 3)
        alphas.append(alpha)
        surfaces.append(points.expand(batch, *points.shape[1:]).gather(-2, index)[..., 0, :])
    return torch.cat(alphas, 1), torch.cat(surfaces, 1)


def framing(volumes: Tensor, angles: Tensor, distance: float) -> Tensor:
    """Frames ``(B, K, 3)`` that give each rendered silhouette the window its mask would have, at poses as in `render`.

    The views' windows follow the moments of their masks, so scale and offset of a candidate pose are not
    searched: the silhouette rendered there determines them.
    """
    neutral = angles.new_tensor([1 / _FRAMING_HALF, 0.0, 0.0]).expand(*angles.shape[:2], 3)
    alpha, _ = render(volumes, angles, neutral, pixels=_FRAMING_PIXELS, samples=16, distance=distance)
    grid = pixel_grid(_FRAMING_PIXELS, angles.device) * _FRAMING_HALF
    centre, half = moments((alpha - 0.2).clamp_min(0), grid)
    half = half.clamp_min(0.15)[..., None]
    return torch.cat([1 / half, -centre / half], -1)
