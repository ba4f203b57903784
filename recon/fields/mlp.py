"""Densities and features by a small network of annealed sines, as in BARF (Lin et al., ICCV 2021, section 3.2)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recon.fields.base import Field

_BANDS, _WIDTH = 5, 64
_WHOLE_AT, _FIRST = 0.6, 2.0
"""Share of the steps after which all bands take part, and the bands that do from the start."""
_WARM_UP_STEPS, _WARM_UP_POINTS, _WARM_UP_RATE = 150, 2048, 5e-3
_ROUGH_RESOLUTION = 20


class MlpField(Field):
    """The field of 3DMiner and BARF: smooth, without a grid, and the slowest to fit."""

    rates: ClassVar = {"trunk": 2e-3, "head": 2e-3}

    def __init__(self, logits: Tensor, dims: int, *, mirror: bool, seed: int) -> None:
        super().__init__(len(logits), mirror=mirror)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inputs = 3 + 6 * _BANDS
            self.trunk = nn.Sequential(
                nn.Linear(inputs, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(),
                nn.Linear(_WIDTH, _WIDTH), nn.ReLU(),
            )  # fmt: skip
            self.head = nn.Linear(_WIDTH, 1 + dims)
        self.to(logits.device)
        self._bands = float(_BANDS)
        self._learn(logits, torch.Generator().manual_seed(seed))

    def begin(self, share: float) -> None:
        """Lets the higher bands in one after the other."""
        self._bands = _FIRST + (_BANDS - _FIRST) * min(1.0, share / _WHOLE_AT)

    def logits(self, points: Tensor) -> Tensor:
        """The network's first output."""
        return self._outputs(self.folded(points))[:, 0]

    def features(self, points: Tensor) -> Tensor:
        """The network's other outputs."""
        return self._outputs(points)[:, 1:]

    def roughness(self) -> Tensor:
        """On a grid of a fixed size."""
        return self.roughness_on(_ROUGH_RESOLUTION)

    def _outputs(self, points: Tensor) -> Tensor:
        out: Tensor = self.head(self.trunk(_encoded(points, self._bands)))
        return out

    def _learn(self, logits: Tensor, generator: torch.Generator) -> None:
        """Begins as the grid: a few steps of regression at random points."""
        optimizer = torch.optim.Adam(self.parameters(), lr=_WARM_UP_RATE)
        for _ in range(_WARM_UP_STEPS):
            points = (torch.rand(_WARM_UP_POINTS, 3, generator=generator) * 2 - 1).to(logits.device)
            where = points[None, :, None, None]
            wanted = F.grid_sample(logits[None, None], where, align_corners=False, padding_mode="border")
            loss = F.smooth_l1_loss(self.logits(points), wanted[0, 0, :, 0, 0])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _encoded(points: Tensor, bands: float) -> Tensor:
    """Points and their sines and cosines ``(P, 3 + 6 B)``; of the bands beyond ``bands`` nothing is seen."""
    number = torch.arange(_BANDS, device=points.device)
    share = (bands - number).clamp(0, 1)
    weight = (1 - (share * math.pi).cos()) / 2
    angle = points[:, None] * (2.0**number * math.pi / 2)[:, None]
    waves = torch.cat([angle.sin(), angle.cos()], -1) * weight[:, None]
    return torch.cat([points, waves.flatten(1)], 1)
