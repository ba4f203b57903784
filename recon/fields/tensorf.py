"""Densities and features as sums of products of planes and lines: TensoRF (Chen et al., ECCV 2022, section 3.2)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recon.fields.base import BLURRED, Field, variation

_RANK, _FEATURE_RANK = 8, 4
_PLANES = ((0, 1), (0, 2), (1, 2))
_LINES = (2, 1, 0)
"""Axes (x, y, z) of each plane, and the one that is left for its line."""
_ORDERS = tuple([2 - axis, 2 - second, 2 - first] for (first, second), axis in zip(_PLANES, _LINES, strict=True))
"""Dimensions of a grid, which is indexed z, y, x, that a line and its plane run along; a plane's second axis first."""
_ROUGH_RESOLUTION = 24


class TensorField(Field):
    """The vector-matrix decomposition: little memory at high resolutions."""

    rates: ClassVar = {"planes": 0.05, "lines": 0.05, "colour_planes": 0.02, "colour_lines": 0.02, "basis": 0.01}

    def __init__(self, logits: Tensor, dims: int, *, mirror: bool, seed: int) -> None:
        super().__init__(len(logits), mirror=mirror)
        planes, lines, self._level = _decomposed(logits)
        self.planes, self.lines = nn.Parameter(planes), nn.Parameter(lines)
        noise = torch.Generator().manual_seed(seed)
        shapes = (logits.shape[:2], (len(logits), 1))
        small = [torch.randn(3, _FEATURE_RANK, *shape, generator=noise) * 0.1 for shape in shapes]
        self.colour_planes, self.colour_lines = (nn.Parameter(part.to(logits.device)) for part in small)
        basis = torch.randn(3 * _FEATURE_RANK, dims, generator=noise) * 0.1
        self.basis = nn.Parameter(basis.to(logits.device))
        self._dense: Tensor
        self.begin(1.0)

    def begin(self, share: float) -> None:
        """Multiplies the planes by their lines, both blurred while the cameras are still rough."""
        planes: Tensor = self.planes
        lines: Tensor = self.lines
        if share < BLURRED:
            planes = F.avg_pool2d(F.pad(planes, (1,) * 4, mode="replicate"), 3, 1)
            lines = F.avg_pool2d(F.pad(lines, (0, 0, 1, 1), mode="replicate"), (3, 1), 1)
        self._dense = _multiplied(planes, lines) + self._level

    def logits(self, points: Tensor) -> Tensor:
        """Bilinear on the planes and linear on the lines, which is trilinear on the grid of their products.

        One channel on eight corners costs a fraction of eight on each plane and line.
        """
        where = self.folded(points)[None, :, None, None]
        return F.grid_sample(self._dense, where, align_corners=False, padding_mode="border")[0, 0, :, 0, 0]

    def features(self, points: Tensor) -> Tensor:
        """A linear map of the products."""
        return _products(self.colour_planes, self.colour_lines, points).flatten(0, 1).T @ self.basis

    def roughness(self) -> Tensor:
        """On a grid of a fixed size."""
        coarse = F.interpolate(self._dense, [_ROUGH_RESOLUTION] * 3, mode="trilinear", align_corners=False)[0, 0]
        if self.mirror:
            half = coarse[..., _ROUGH_RESOLUTION // 2 :]
            coarse = torch.cat([half.flip(-1), half], -1)
        return variation(coarse.sigmoid())


def _products(planes: Tensor, lines: Tensor, points: Tensor) -> Tensor:
    """Products ``(3, R, P)`` of planes ``(3, R, D, D)`` and lines ``(3, R, D, 1)`` at points ``(P, 3)``."""
    columns = points.unbind(1)
    on_plane = torch.stack([torch.stack([columns[axis] for axis in axes], -1) for axes in _PLANES])[:, :, None]
    along = torch.stack([columns[axis] for axis in _LINES])
    on_line = torch.stack([torch.zeros_like(along), along], -1)[:, :, None]
    sampled = (
        F.grid_sample(part, where, align_corners=False, padding_mode="border")[..., 0]
        for part, where in ((planes, on_plane), (lines, on_line))
    )
    first, second = sampled
    return first * second


def _multiplied(planes: Tensor, lines: Tensor) -> Tensor:
    """The grid ``(1, 1, D, D, D)``, indexed z, y, x, of the sum of all products of planes and lines."""
    parts = [_product(*part) for part in zip(planes, lines[..., 0], _ORDERS, strict=True)]
    return torch.stack(parts).sum(0)[None, None]


def _product(plane: Tensor, line: Tensor, order: list[int]) -> Tensor:
    """The grid ``(D, D, D)`` of a plane ``(R, D, D)`` times its line ``(R, D)``, summed over ranks."""
    table = line.T @ plane.flatten(1)
    return table.reshape([len(table)] * 3).permute([order.index(k) for k in range(3)])


def _decomposed(logits: Tensor) -> tuple[Tensor, Tensor, float]:
    """Planes ``(3, R, D, D)``, lines ``(3, R, D, 1)`` and a level whose sum is nearest to a grid, mode by mode."""
    level = float(logits.mean())
    rest = logits - level
    side = len(logits)
    planes, lines = [], []
    for order in _ORDERS:
        table = rest.permute(order).reshape(side, -1)
        u, s, v = torch.linalg.svd(table, full_matrices=False)
        rank = min(_RANK, len(s))
        scale = s[:rank].sqrt()
        line, plane = (u[:, :rank] * scale).T, (v[:rank] * scale[:, None]).reshape(rank, side, side)
        rest = rest - _product(plane, line, order)
        planes.append(F.pad(plane, (0, 0, 0, 0, 0, _RANK - rank)))
        lines.append(F.pad(line[..., None], (0, 0, 0, 0, 0, _RANK - rank)))
    return torch.stack(planes), torch.stack(lines), level
