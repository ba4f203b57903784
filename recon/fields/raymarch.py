"""Rendering of fields by emission and absorption."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.fields.base import Field
from recon.geometry import rotation
from recon.render import RADIUS
from recon.volume import voxel_index

_OPACITY = 25.0
"""Absorption per unit of length and density: a solid voxel of any of our grids is nearly opaque."""

_PRUNE_RESOLUTION = 24
_EMPTY = 0.01
"""Density below which a cell of the pruning grid counts as empty, if all cells around it do."""
_UNSEEN = 1e-3
"""Share of a ray's light below which a sample's features are not asked for."""


@torch.no_grad()
def occupied(field: Field) -> Tensor:
    """Whether cells of the pruning grid ``(R^3,)`` are not empty or lie beside one that is not."""
    density = F.softplus(field.grid(_PRUNE_RESOLUTION))[None, None]
    return F.max_pool3d((density > _EMPTY).float(), 3, 1, 1).flatten() > 0


def ray_points(
    angles: Tensor, frame: Tensor, places: Tensor, samples: int, distance: float, jitter: float = 0.5
) -> tuple[Tensor, float]:
    """Samples ``(N, K, S, 3)`` along the rays through window places, and their spacing.

    Args:
        angles: ``(N, 3)`` poses, see ``geometry``.
        frame: ``(N, 3)``.
        places: ``(N, K, 2)``.
        samples: along a ray.
        distance: camera distance.
        jitter: shift of all samples in [0, 1] of their spacing.
    """
    flat = (places - frame[:, None, 1:]) / frame[:, None, :1]
    turn = rotation(angles)
    middle = -flat @ turn[:, :2]
    step = middle / distance + turn[:, 2:]
    spacing = 2 * RADIUS / samples
    depth = torch.linspace(-RADIUS, RADIUS, samples, device=places.device) + jitter * spacing
    return middle[..., None, :] + step[..., None, :] * depth[:, None], spacing


def march(field: Field, points: Tensor, spacing: float, cells: Tensor | None) -> tuple[Tensor, Tensor]:
    """Opacity ``(N, K)`` and features ``(N, K, C)`` of rays of samples ``(N, K, S, 3)``.

    Emission and absorption with the quadrature of Max (1995), as in NeRF (Mildenhall et al., ECCV 2020, equation 3).
    Samples outside the volume or in empty cells are passed over.
    """
    samples, flat = points.shape[-2], points.flatten(0, 2)
    index = _worth_asking(flat.detach(), cells)
    density = F.softplus(field.logits(flat.index_select(0, index)))
    absorbed = density.new_zeros(len(flat)).index_copy(0, index, density * (_OPACITY * spacing))
    absorbed = absorbed.unflatten(0, (-1, samples))  # type: ignore[no-untyped-call]
    weights = torch.exp(-(absorbed.cumsum(-1) - absorbed)) * -torch.expm1(-absorbed)
    lit = (weights.detach().flatten() > _UNSEEN).nonzero()[:, 0]
    seen = field.features(flat.index_select(0, lit)) * weights.flatten().index_select(0, lit)[:, None]
    rendered = seen.new_zeros(len(weights), seen.shape[-1]).index_add(0, lit // samples, seen)
    shape = points.shape[:2]
    return weights.sum(-1).unflatten(0, shape), rendered.unflatten(0, shape)  # type: ignore[no-untyped-call]


def _worth_asking(points: Tensor, cells: Tensor | None) -> Tensor:
    """Rows of points ``(P, 3)`` inside the volume and outside its empty cells."""
    x, y, z = (points.abs() < 1).unbind(-1)
    rows = (x & y & z).nonzero()[:, 0]
    if cells is None:
        return rows
    return rows[cells[voxel_index(points[rows], _PRUNE_RESOLUTION)]]
