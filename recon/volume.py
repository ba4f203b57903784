"""M-step: the occupancy-and-feature volumes of several hypotheses, each with one volume for every fold left out.

Closed form, no gradients. Occupancy is the mean back-projected mask, cut at the level that explains the
silhouettes best (space carving by voting); features are averaged where rays from the views first meet it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.evidence import Evidence
from recon.geometry import project, voxel_grid
from recon.render import framing, render

HALF_EXTENT = 0.78
"""Half the longest side of the carved object in the working volume."""
_SHARPNESS = 20.0
_TURNS = 24
_LEVELS = (0.5, 0.56, 0.62, 0.68, 0.74, 0.8, 0.86, 0.9, 0.93, 0.96)


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """Poses of all views under ``H`` hypotheses.

    Attributes:
        angles: ``(H, N, 3)``.
        frame: ``(H, N, 3)``.
        weight: ``(H, N)`` influence of a view on the volume, in [0, 1].
        score: ``(H, N)`` held-out score of each view.
    """

    angles: Tensor
    frame: Tensor
    weight: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.angles)

    def select(self, index: Tensor) -> Hypotheses:
        """The hypotheses at ``index``, in its order."""
        return Hypotheses(self.angles[index], self.frame[index], self.weight[index], self.score[index])

    def of_views(self, rows: Tensor) -> Hypotheses:
        """The same hypotheses of the views at ``rows`` alone."""
        return Hypotheses(*(getattr(self, name)[:, rows] for name in Hypotheses.__slots__))


def join(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    """Both sets of hypotheses as one."""
    parts = (torch.cat([getattr(first, k), getattr(second, k)]) for k in Hypotheses.__slots__)
    return Hypotheses(*parts)


@dataclass(frozen=True, slots=True)
class Volumes:
    """``F + 1`` volumes of each hypothesis: slot ``f`` leaves out fold ``f``, the last uses all views.

    Attributes:
        occupancy: ``(H, F + 1, D, D, D)`` in [0, 1], indexed z, y, x.
        features: ``(H, F + 1, D^3, K)``, of length at most 1; the length is the views' agreement.
        angles: ``(H, N, 3)`` poses the volumes were built from.
        frame: ``(H, N, 3)`` their frames in the recentred volume.
    """

    occupancy: Tensor
    features: Tensor
    angles: Tensor
    frame: Tensor


def sphere(hypotheses: int, resolution: int, device: torch.device) -> Tensor:
    """Occupancy ``(H, D, D, D)`` of a centred ball that fills the working extent."""
    radius = voxel_grid(resolution, device).norm(dim=-1)
    ball = torch.sigmoid((HALF_EXTENT - radius) * _SHARPNESS)
    return ball.reshape(1, resolution, resolution, resolution).repeat(hypotheses, 1, 1, 1)


def leave_out(sums: Tensor) -> Tensor:
    """Turns sums by fold ``(H, F, ...)`` into sums without each fold, and of all: ``(H, F + 1, ...)``."""
    total = sums.sum(1, keepdim=True)
    return torch.cat([total - sums, total], 1)


def backproject(
    poses: Hypotheses, evidence: Evidence, folds: Tensor, resolution: int, distance: float, mirror: bool
) -> Tensor:
    """Mean mask seen by each voxel: ``(H, F + 1, D, D, D)`` for ``folds`` ``(N, F)`` one-hot."""
    grid = voxel_grid(resolution, poses.angles.device)
    uv = project(grid, poses.angles, poses.frame, distance).transpose(0, 1)
    seen = F.grid_sample(evidence.fine_masks[:, None], uv, align_corners=False)[:, 0]
    shares = poses.weight[:, :, None] * folds
    mean = leave_out(torch.einsum("nhv,hnf->hfv", seen, shares))
    mean = mean / leave_out(shares.sum(1))[..., None].clamp_min(1e-6)
    mean = mean.reshape(*mean.shape[:2], resolution, resolution, resolution)
    return (mean + mean.flip(-1)) / 2 if mirror else mean


def revolve(fields: Tensor) -> Tensor:
    """Averages ``(B, F, D, D, D)`` fields over rotations about the vertical axis."""
    total = torch.zeros_like(fields)
    for k in range(_TURNS):
        angle = 2 * math.pi * k / _TURNS
        cos, sin = math.cos(angle), math.sin(angle)
        theta = fields.new_tensor([[[cos, 0, sin, 0], [0, 1, 0, 0], [-sin, 0, cos, 0]]])
        grid = F.affine_grid(theta.expand(len(fields), 3, 4), list(fields.shape), align_corners=False)
        total += F.grid_sample(fields, grid, align_corners=False)
    return total / _TURNS


def carving_level(mean: Tensor, poses: Hypotheses, evidence: Evidence, distance: float) -> Tensor:
    """Level ``(H,)`` at which ``mean`` ``(H, D, D, D)`` gives silhouettes closest to the masks (by IoU).

    The comparison is soft and so prefers fuller volumes, which is good while poses are uncertain.
    """
    peak, _ = render(mean, poses.angles, poses.frame, pixels=evidence.pixels, samples=mean.shape[-1], distance=distance)
    top = mean.flatten(1).max(1).values
    ious = []
    for share in _LEVELS:
        alpha = torch.sigmoid((peak - share * top[:, None, None]) * _SHARPNESS)
        both = (alpha * evidence.masks).sum(-1)
        either = (alpha + evidence.masks).sum(-1) - both
        ious.append((poses.weight * both / either.clamp_min(1e-6)).sum(1))
    best = torch.stack(ious, 1).argmax(1)
    return top * torch.tensor(_LEVELS, device=top.device)[best]


def _recentre(mean: Tensor, level: Tensor, mirror: bool) -> Tensor:
    """Shifts and scales the fields so that the hull's bounding box is centred with ``HALF_EXTENT``."""
    resolution = mean.shape[-1]
    line = (torch.arange(resolution, device=mean.device) + 0.5) * (2 / resolution) - 1
    solid = mean[:, -1] > level[:, None, None, None]
    spans = []
    for axes in ((1, 2), (1, 3), (2, 3)):
        along = solid.any(dim=axes[1]).any(dim=axes[0])
        low = torch.where(along, line, 1.0).min(1).values
        high = torch.where(along, line, -1.0).max(1).values
        spans.append(torch.stack([low, high], -1))
    box = torch.stack(spans, 1)
    centre, half = box.mean(-1), ((box[..., 1] - box[..., 0]) / 2 + 1 / resolution).max(1).values
    if mirror:
        centre[:, 0] = 0
    scale = torch.where(half > 0, half / HALF_EXTENT, 1.0)
    theta = torch.cat([torch.eye(3, device=mean.device) * scale[:, None, None], centre[..., None]], -1)
    grid = F.affine_grid(theta, [len(mean), 1, *mean.shape[2:]], align_corners=False)
    return F.grid_sample(mean, grid, align_corners=False)


def _blur(grid: Tensor) -> Tensor:
    """Smooths ``(B, Z, Y, X, K)`` with (1, 2, 1) / 4 along each axis of the volume."""
    for axis in (1, 2, 3):
        out = grid * 0.5
        length = grid.shape[axis]
        out.narrow(axis, 1, length - 1).add_(grid.narrow(axis, 0, length - 1), alpha=0.25)
        out.narrow(axis, 0, length - 1).add_(grid.narrow(axis, 1, length - 1), alpha=0.25)
        grid = out
    return grid


def _voxels(points: Tensor, resolution: int) -> Tensor:
    """Voxel ``(..., 3)`` that holds each point ``(..., 3)``, as x, y, z, clamped to the volume."""
    return ((points + 1) * (resolution / 2)).long().clamp(0, resolution - 1)


def _rows(voxels: Tensor, sides: tuple[int, int, int]) -> Tensor:
    """Row of each voxel ``(..., 3)`` in a box of so many voxels along x, y and z."""
    return (voxels[..., 2] * sides[1] + voxels[..., 1]) * sides[0] + voxels[..., 0]


def voxel_index(points: Tensor, resolution: int) -> Tensor:
    """Row of the voxel that holds each point ``(..., 3)``, clamped to the volume."""
    return _rows(_voxels(points, resolution), (resolution, resolution, resolution))


def lift_features(
    points: Tensor, shares: Tensor, evidence: Evidence, folds: Tensor, resolution: int, mirror: bool
) -> Tensor:
    """Averages pixel features where their rays meet the surface.

    Args:
        points: ``(H, N, P^2, 3)`` surface point behind each pixel.
        shares: ``(H, N, P^2)`` influence of each pixel.
        evidence: the views.
        folds: ``(N,)`` fold of each view.
        resolution: voxels along a side.
        mirror: also add the mirrored crops' features at the mirrored points.

    Returns:
        ``(H, F + 1, D^3, K)`` means, of length at most 1.
    """
    count, dims = int(folds.max()) + 1, evidence.features.shape[-1]
    means = points.new_zeros(len(points), count + 1, resolution, resolution, resolution, dims)
    flip = points.new_tensor([-1.0, 1.0, 1.0])
    for h in range(len(points)):
        keep = shares[h] > 0.05
        if not keep.any():
            continue
        seen = [(_voxels(points[h][keep], resolution), evidence.features[keep])]
        if mirror:
            seen.append((_voxels(points[h][keep] * flip, resolution), evidence.mirrored[keep]))
        of_fold = folds[:, None].expand_as(keep)[keep]
        _average(seen, shares[h][keep][:, None], of_fold, means[h])
    return means.flatten(2, 4)


def _average(seen: list[tuple[Tensor, Tensor]], share: Tensor, of_fold: Tensor, means: Tensor) -> None:
    """Fills in what a hypothesis' views say, smoothed, in the box of the voxels that they see; all else stays 0.

    Args:
        seen: voxels ``(M, 3)`` and features ``(M, K)`` of pixels, and of mirrored ones.
        share: ``(M, 1)`` influence of each.
        of_fold: ``(M,)`` fold of its view.
        means: ``(F + 1, D, D, D, K)``, all 0.
    """
    count, dims = len(means) - 1, means.shape[-1]
    everywhere = torch.cat([voxels for voxels, _ in seen])
    low = (everywhere.amin(0) - 1).clamp_min(0)  # smoothing reaches one voxel further
    high = (everywhere.amax(0) + 2).clamp_max(means.shape[1])
    x, y, z = (high - low).tolist()
    sums, total = means.new_zeros(count * z * y * x, dims), means.new_zeros(count * z * y * x, 1)
    for voxels, features in seen:
        rows = _rows(voxels - low, (x, y, z)) + of_fold * (z * y * x)
        sums.index_add_(0, rows, features * share)
        total.index_add_(0, rows, share)
    sums = _blur(sums.reshape(count, z, y, x, dims))
    total = leave_out(_blur(total.reshape(count, z, y, x, 1))[None])[0].clamp_min(1e-3)
    everything = sums.sum(0)
    left, front, under = low.tolist()
    box = means[:, under : under + z, front : front + y, left : left + x]
    for fold in range(count):
        torch.sub(everything, sums[fold], out=box[fold]).div_(total[fold])
    torch.div(everything, total[-1], out=box[-1])


def build_volumes(
    poses: Hypotheses,
    evidence: Evidence,
    folds: Tensor,
    resolution: int,
    distance: float,
    mirror: bool,
    settle: bool = True,
    round_about: bool = False,
) -> Volumes:
    """The M-step: carve, recentre, frame the views anew, lift their features.

    Args:
        poses: hypotheses to build from.
        evidence: the views.
        folds: ``(N,)`` int64 fold of each view.
        resolution: voxels along a side.
        distance: camera distance in volume units.
        mirror: whether the object is symmetric in x.
        round_about: average the masks over all rotations about the vertical.
        settle: recentre the hull and frame the views by its silhouettes; false keeps the given frames.
    """
    onehot = F.one_hot(folds).to(poses.weight.dtype)
    mean = backproject(poses, evidence, onehot, resolution, distance, mirror)
    if round_about:
        mean = revolve(mean)
    level = carving_level(mean[:, -1], poses, evidence, distance)
    if settle:
        mean = _recentre(mean, level, mirror)
    occupancy = torch.sigmoid((mean - level[:, None, None, None, None]) * _SHARPNESS)
    hull = occupancy[:, -1]
    frame = framing(hull, poses.angles, distance) if settle else poses.frame
    alpha, points = render(hull, poses.angles, frame, pixels=evidence.pixels, samples=resolution, distance=distance)
    shares = alpha * evidence.masks * poses.weight[..., None]
    features = lift_features(points, shares, evidence, folds, resolution, mirror)
    return Volumes(occupancy, features, poses.angles, frame)
