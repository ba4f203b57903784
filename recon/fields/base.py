"""The interface of a field: densities and features anywhere in the working volume, differentiable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from recon.geometry import voxel_grid

_CHUNK = 2**17
_EPS = 1e-4

BLURRED = 0.4
"""Share of the steps for which grids are blurred: coarse to fine, as BARF anneals its encoding."""


class Field(nn.Module, ABC):
    """Densities, as logits before their softplus, and features over [-1, 1]^3.

    Attributes:
        rates: learning rate of each parameter by its name.
        resolution: voxels along a side that it can tell apart; rays are sampled that finely.
        mirror: whether densities are the same on both sides of x = 0.
    """

    rates: ClassVar[Mapping[str, float]]

    def __init__(self, resolution: int, *, mirror: bool) -> None:
        super().__init__()
        self.resolution = resolution
        self.mirror = mirror

    @abstractmethod
    def begin(self, share: float) -> None:
        """A step begins, ``share`` in [0, 1] of all are done: coarse at first, finer later."""

    @abstractmethod
    def logits(self, points: Tensor) -> Tensor:
        """Densities ``(P,)`` at points ``(P, 3)`` as (x, y, z)."""

    @abstractmethod
    def features(self, points: Tensor) -> Tensor:
        """Features ``(P, C)`` at points ``(P, 3)``."""

    @abstractmethod
    def roughness(self) -> Tensor:
        """Total variation of the occupancy, a mean over neighbours, summed over the axes."""

    def roughness_on(self, side: int) -> Tensor:
        """The roughness, on a grid of ``side`` voxels a side."""
        grid = self.logits(voxel_grid(side, next(self.parameters()).device)).reshape(side, side, side)
        return variation(grid.sigmoid())

    def folded(self, points: Tensor) -> Tensor:
        """The points, or where densities are symmetric their mirror images on one side."""
        if not self.mirror:
            return points
        return torch.cat([points[:, :1].abs(), points[:, 1:]], 1)

    @torch.no_grad()
    def grid(self, resolution: int) -> Tensor:
        """Densities ``(D, D, D)`` on a grid, indexed z, y, x."""
        points = voxel_grid(resolution, next(self.parameters()).device)
        parts = [self.logits(part) for part in torch.split(points, _CHUNK)]
        return torch.cat(parts).reshape([resolution] * 3)


def variation(occupancy: Tensor) -> Tensor:
    """Total variation of an occupancy ``(..., D, D, D)``: mean absolute differences, summed over the axes."""
    steps = [(occupancy.diff(dim=axis).square() + _EPS).sqrt().mean() for axis in (-3, -2, -1)]
    return torch.stack(steps).sum()
