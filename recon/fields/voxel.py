"""Densities and features on a dense grid, as in DVGO (Sun et al., CVPR 2022, section 3)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recon.fields.base import BLURRED, Field, variation


class GridField(Field):
    """The quickest to fit."""

    rates: ClassVar = {"density": 0.15, "colour": 0.05}

    def __init__(self, logits: Tensor, dims: int, *, mirror: bool, seed: int) -> None:
        super().__init__(len(logits), mirror=mirror)
        self.density = nn.Parameter(logits[None, None].clone())
        self.colour = nn.Parameter(torch.zeros(1, dims, *logits.shape, device=logits.device))
        self._sharp: Tensor
        self._seen: Tensor
        self.begin(1.0)

    def begin(self, share: float) -> None:
        """Mirrors the grid, and blurs it while the cameras are still rough."""
        self._sharp = (self.density + self.density.flip(-1)) / 2 if self.mirror else self.density.view_as(self.density)
        self._seen = self._sharp
        if share < BLURRED:
            self._seen = F.avg_pool3d(F.pad(self._sharp, (1,) * 6, mode="replicate"), 3, 1)

    def logits(self, points: Tensor) -> Tensor:
        """Trilinear; beyond the outermost centres as at them."""
        where = points[None, :, None, None]
        return F.grid_sample(self._seen, where, align_corners=False, padding_mode="border")[0, 0, :, 0, 0]

    def features(self, points: Tensor) -> Tensor:
        """Trilinear."""
        return F.grid_sample(self.colour, points[None, :, None, None], align_corners=False)[0, :, :, 0, 0].T

    def roughness(self) -> Tensor:
        """Of the grid's own voxels."""
        return variation(self._sharp.sigmoid()[0, 0])
