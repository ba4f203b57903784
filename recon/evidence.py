"""What the fit sees of each view: its mask and whitened features, resampled to a window around the object.

The window is set by moments (centroid, half side 2 sqrt(trace of the mask's covariance)) and not by the
bounding box: a stray mask pixel moves it little, and a rendered silhouette can be framed the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recon.geometry import pixel_grid
from recon.types import Views

PIXELS = 16
"""Side of the window on which features are compared."""
MASK_PIXELS = 32
"""Side of the window on which silhouettes are carved during the search."""
OUTLINE_PIXELS, OUTLINE_MASK_PIXELS = 32, 96
"""Sides of the windows on which the final surface is compared and carved."""
_PLACE_PRIOR = 2.0


@dataclass(frozen=True, slots=True)
class FeatureBasis:
    """Principal components of foreground patches, scaled to unit variance.

    Attributes:
        mean: ``(C,)``.
        projection: ``(C, K)``.
        place: ``(P^2, K)`` mean of the unit-length components at each place of the window.
    """

    mean: Tensor
    projection: Tensor
    place: Tensor

    def to(self, device: torch.device) -> FeatureBasis:
        """The same basis on a device."""
        return FeatureBasis(self.mean.to(device), self.projection.to(device), self.place.to(device))

    def apply(self, features: Tensor) -> Tensor:
        """Unit-length reduced features ``(N, K, G, G)`` of ``(N, C, G, G)``."""
        centred = features - self.mean[:, None, None]
        return F.normalize(torch.einsum("nchw,ck->nkhw", centred, self.projection), dim=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The views as tensors on one device.

    Attributes:
        masks: ``(N, P^2)`` soft foreground of the window at ``PIXELS``.
        fine_masks: ``(N, M, M)`` the same at ``MASK_PIXELS``.
        features: ``(N, P^2, K)`` unit-length features, 0 outside the window.
        mirrored: like ``features``, of the mirrored crop, turned back so that it aligns with ``features``.
        centre: ``(N, 2)`` window centre in crop coordinates in [-1, 1] (u right, v down).
        half: ``(N,)`` half side of the window in the same units.
        usable: ``(N,)`` bool, false where the mask is empty.
    """

    masks: Tensor
    fine_masks: Tensor
    features: Tensor
    mirrored: Tensor
    centre: Tensor
    half: Tensor
    usable: Tensor

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def pixels(self) -> int:
        """Side of the window on which features are compared."""
        return math.isqrt(self.masks.shape[1])

    def pooled(self, pixels: int) -> Evidence:
        """The same views on a coarser window of ``pixels`` a side, which must divide the present one."""
        factor = self.pixels // pixels
        if factor == 1:
            return self
        shares = self.masks[..., None]

        def pool(rows: Tensor) -> Tensor:
            maps = rows.transpose(1, 2).reshape(len(rows), -1, self.pixels, self.pixels)
            return F.avg_pool2d(maps, factor).flatten(2).transpose(1, 2).contiguous()

        return replace(
            self,
            masks=pool(shares)[..., 0],
            features=F.normalize(pool(self.features * shares), dim=-1),
            mirrored=F.normalize(pool(self.mirrored * shares), dim=-1),
        )

    def leading(self, dims: int) -> Evidence:
        """The same views with the first ``dims`` feature components, unit length again."""
        if dims >= self.features.shape[-1]:
            return self
        cut = {name: F.normalize(getattr(self, name)[..., :dims], dim=-1) for name in ("features", "mirrored")}
        return replace(self, **cut)

    def select(self, index: Tensor) -> Evidence:
        """The views at ``index``, in its order."""
        return Evidence(*(getattr(self, name)[index] for name in self.__slots__))


def moments(weights: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Centroid ``(..., 2)`` and 2 sqrt(trace of covariance) ``(...)`` of ``weights`` ``(..., P)`` on a grid."""
    total = weights.sum(-1, keepdim=True).clamp_min(1e-6)
    p = weights / total
    centre = p @ grid
    second = p @ grid.square()
    trace = (second - centre.square()).sum(-1).clamp_min(1e-4)
    return centre, 2 * trace.sqrt()


def fit_basis(views: Views, dims: int, device: torch.device) -> FeatureBasis:
    """PCA with full whitening on the foreground patches of all views and their mirror images."""
    features = torch.from_numpy(views.features).to(device)
    grid = features.shape[-1]
    masks = torch.from_numpy(views.masks).to(device).float()[:, None]
    inside = F.interpolate(masks, size=(grid, grid), mode="area")[:, 0] > 0.5
    rows = features.permute(0, 2, 3, 1)[inside]
    flipped = torch.from_numpy(views.flipped_features).to(device)
    rows = torch.cat([rows, flipped.permute(0, 2, 3, 1)[inside.flip(-1)]])
    mean = rows.mean(0) if len(rows) else features.new_zeros(features.shape[1])
    centred = (rows - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(len(rows) - 1, 1))
    values, vectors = values[-dims:].flip(0), vectors[:, -dims:].flip(1)
    scale = (values.clamp_min(0) + 1e-4 * values.max().clamp_min(0) + 1e-12).rsqrt()
    projection = (vectors * scale).to(mean.dtype)
    basis = FeatureBasis(mean, projection, mean.new_zeros(PIXELS**2, projection.shape[1]))
    raw = gather_evidence(views, basis, device)
    return replace(basis, place=_place_mean(raw.features, raw.mirrored, raw.masks))


def _windows(centre: Tensor, half: Tensor, pixels: int) -> Tensor:
    grid = pixel_grid(pixels, centre.device)
    return (centre[:, None] + half[:, None, None] * grid).reshape(-1, pixels, pixels, 2)


def _rows(maps: Tensor, windows: Tensor) -> Tensor:
    sampled = F.grid_sample(maps, windows, align_corners=False)
    return F.normalize(sampled, dim=1).flatten(2).transpose(1, 2).contiguous()


def _place_mean(features: Tensor, mirrored: Tensor, masks: Tensor) -> Tensor:
    """Mean feature ``(P^2, K)`` at each place of the window over all views and their mirror images.

    Transformer features carry the position in the image. It agrees between views that show different sides, and
    so rewards putting them on top of each other; gathering evidence subtracts it.
    """
    shares = masks[..., None]
    total = (features * shares).sum(0) + _flip((mirrored * shares).sum(0))
    return total / (shares.sum(0) + _flip(shares.sum(0)) + _PLACE_PRIOR)


def _flip(rows: Tensor) -> Tensor:
    """``(P^2, K)`` pixel rows of the mirrored window."""
    return rows.reshape(PIXELS, PIXELS, -1).flip(1).flatten(0, 1)


def gather_evidence(views: Views, basis: FeatureBasis, device: torch.device) -> Evidence:
    """Frames each view by its mask's moments and resamples mask and features to that window."""
    masks = torch.from_numpy(views.masks).to(device).float()
    size = masks.shape[-1]
    usable = masks.flatten(1).mean(1) > 1e-3
    centre, half = moments(masks.flatten(1), pixel_grid(size, device))
    coarse, fine = _windows(centre, half, PIXELS), _windows(centre, half, MASK_PIXELS)
    pyramid = F.interpolate(masks[:, None], size=(64, 64), mode="area")
    turned = torch.from_numpy(views.flipped_features).to(device).flip(-1)
    features = _rows(basis.apply(torch.from_numpy(views.features).to(device)), coarse)
    mirrored = _rows(basis.apply(turned), coarse)
    return Evidence(
        masks=F.grid_sample(pyramid, coarse, align_corners=False).flatten(1),
        fine_masks=F.grid_sample(pyramid, fine, align_corners=False)[:, 0],
        features=F.normalize(features - basis.place, dim=-1),
        mirrored=F.normalize(mirrored - _flip(basis.place), dim=-1),
        centre=centre,
        half=half,
        usable=usable,
    )


def gather_outlines(views: Views, evidence: Evidence) -> Evidence:
    """The same windows with sharper masks and a single empty feature: what the final surface is carved from."""
    device = evidence.half.device
    masks = torch.from_numpy(views.masks).to(device).float()[:, None]
    windows = _windows(evidence.centre, evidence.half, OUTLINE_MASK_PIXELS)
    sharp = F.grid_sample(masks, windows, align_corners=False)
    coarse = F.adaptive_avg_pool2d(sharp, OUTLINE_PIXELS).flatten(1)
    nothing = torch.zeros(len(views), OUTLINE_PIXELS**2, 1, device=device)
    return replace(evidence, masks=coarse, fine_masks=sharp[:, 0], features=nothing, mirrored=nothing)
