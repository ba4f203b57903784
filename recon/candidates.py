"""What volumes look like at candidate poses.

A mirror-symmetric object seen from one side is the mirror image of what it is from the other, so that of a grid of
poses half is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon.render import framing, render
from recon.volume import voxel_index


def render_features(
    occupancy: Tensor, features: Tensor, angles: Tensor, frame: Tensor, distance: float, pixels: int
) -> tuple[Tensor, Tensor]:
    """Alpha ``(B, K, P^2)`` and features ``(B, K, P^2, C)`` of volumes at poses ``(B, K, 3)``.

    Args:
        occupancy: ``(B, D, D, D)``.
        features: ``(B, D^3, C)``.
        angles: candidate poses; ``(1, K, 3)`` for the same in all volumes.
        frame: their frames, as the angles.
        distance: camera distance.
        pixels: side of the window.
    """
    resolution = occupancy.shape[-1]
    alpha, points = render(occupancy, angles, frame, pixels=pixels, samples=resolution, distance=distance)
    return alpha, torch.stack([features_at(p, f) for p, f in zip(points, features, strict=True)])


def render_grid(
    occupancy: Tensor, grid: Tensor, frame: Tensor, distance: float, pixels: int, mirror: bool
) -> tuple[Tensor, Tensor]:
    """Alpha ``(B, K, P^2)`` and first points ``(B, K, P^2, 3)`` of volumes at the poses of a `pose_grid`; see `render`.

    Args:
        occupancy: ``(B, D, D, D)``, symmetric in x if ``mirror`` says so.
        grid: ``(K, 3)`` candidate poses, shared by all volumes.
        frame: ``(1, K, 3)`` of `frame_grid`.
        distance: camera distance.
        pixels: side of the window.
        mirror: whether the object is symmetric in x.
    """
    samples = occupancy.shape[-1]
    if not mirror:
        return render(occupancy, grid[None], frame, pixels=pixels, samples=samples, distance=distance)
    side = _side_of(grid)
    alpha, points = render(
        occupancy, grid[None, side.rows], frame[:, side.rows], pixels=pixels, samples=samples, distance=distance
    )
    points = _turned(points[:, side.source], side.turned, pixels) * _signs(side.turned, points, 0)[:, None]
    return _turned(alpha[:, side.source], side.turned, pixels), points


def frame_grid(volumes: Tensor, grid: Tensor, distance: float, mirror: bool) -> Tensor:
    """Frames ``(B, K, 3)`` of volumes ``(B, D, D, D)`` at the poses ``(K, 3)`` of a `pose_grid`; see `framing`."""
    if not mirror:
        return framing(volumes, grid[None], distance)
    side = _side_of(grid)
    return framing(volumes, grid[None, side.rows], distance)[:, side.source] * _signs(side.turned, grid, 1)


def features_at(points: Tensor, features: Tensor) -> Tensor:
    """Features ``(..., C)`` of a volume ``(D^3, C)`` in the voxels of points ``(..., 3)``."""
    rows = voxel_index(points, round(len(features) ** (1 / 3)))
    return features.index_select(0, rows.flatten()).reshape(*rows.shape, -1)


@dataclass(frozen=True, slots=True)
class _Side:
    """Poses of a grid on one side of an object.

    Attributes:
        rows: ``(M,)`` of these poses.
        source: ``(K,)`` which of them each pose of the grid is, or is the mirror image of.
        turned: ``(K,)`` whether it is the mirror image.
    """

    rows: Tensor
    source: Tensor
    turned: Tensor


def _side_of(grid: Tensor) -> _Side:
    """The half of a `pose_grid` whose azimuths are from 0 to a half turn."""
    azimuths = int((grid[:, 1] == grid[0, 1]).sum())
    around = torch.arange(azimuths, device=grid.device)
    half = azimuths // 2 + 1
    turned = around >= half
    levels = torch.arange(len(grid) // azimuths, device=grid.device)[:, None]
    source = (levels * half + torch.where(turned, azimuths - around, around)).flatten()
    return _Side((levels * azimuths + around[:half]).flatten(), source, turned.repeat(len(levels)))


def _turned(images: Tensor, turned: Tensor, pixels: int) -> Tensor:
    """Images ``(B, K, P^2, ...)``, left and right exchanged where it is marked ``(K,)``."""
    square = images.unflatten(2, (pixels, pixels))  # type: ignore[no-untyped-call]
    marked = turned.reshape(-1, *[1] * (square.ndim - 2))
    flipped: Tensor = torch.where(marked, square.flip(3), square)
    return flipped.flatten(2, 3)


def _signs(turned: Tensor, like: Tensor, axis: int) -> Tensor:
    """``(K, 3)``: -1 in an axis where it is marked ``(K,)``, else 1."""
    signs = like.new_ones(len(turned), 3)
    signs[turned, axis] = -1
    return signs
