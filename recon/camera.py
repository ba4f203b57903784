"""Between the working poses of the fit and perspective cameras of the crop, both ways.

A working pose is a pinhole camera at ``distance`` with scale and offset in the view's window; the window is a
square of the crop. So ``focal = half * s * distance`` and the principal point is ``centre + half * offset``, in
half crop sides: the conversion is exact, and rendering through the camera lands on the mask in the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.evidence import Evidence
from recon.geometry import angles_of, rotation
from recon.types import CAMERA_ARRAYS, Alternatives, Cameras

_NEAREST = 1e-3
"""Least depth in object units; what lies behind a camera lands far outside its picture."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the object frame lies in the working volume: ``x_volume = scale * x_object + centre``.

    Attributes:
        centre: ``(3,)`` of the object in the working volume.
        scale: volume units to one object unit.
        distance: camera distance in volume units.
    """

    centre: tuple[float, float, float]
    scale: float
    distance: float

    def to_object(self, points: Tensor) -> Tensor:
        """Points ``(..., 3)`` of the working volume in object units."""
        return (points - points.new_tensor(self.centre)) / self.scale

    def to_volume(self, points: Tensor) -> Tensor:
        """Points ``(..., 3)`` in object units in the working volume."""
        return points * self.scale + points.new_tensor(self.centre)


@dataclass(frozen=True, slots=True)
class Pinholes:
    """Cameras as tensors on one device, row i for view i. Image points are crop coordinates in [-1, 1].

    Attributes:
        R: ``(N, 3, 3)`` rotations, object to camera.
        t: ``(N, 3)`` translations in object units.
        focal: ``(N,)`` focal lengths in half crop sides.
        offset: ``(N, 2)`` principal points, u right, v down.
    """

    R: Tensor
    t: Tensor
    focal: Tensor
    offset: Tensor

    @classmethod
    def of(cls, cameras: Cameras, device: torch.device) -> Pinholes:
        """The same cameras as tensors."""
        R, t, fov, offset = (
            torch.from_numpy(x).to(device) for x in (cameras.R, cameras.t, cameras.fov, cameras.offset)
        )
        return cls(R, t, 1 / torch.tan(fov / 2), offset)

    def __len__(self) -> int:
        return len(self.R)

    def select(self, index: Tensor) -> Pinholes:
        """The cameras at ``index``, in its order."""
        return Pinholes(*(getattr(self, name)[index] for name in self.__slots__))

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Image points ``(N, P, 2)`` and depths ``(N, P)`` of object points ``(P, 3)`` or ``(N, P, 3)``."""
        seen = points @ self.R.transpose(1, 2) + self.t[:, None]
        depth = seen[..., 2].clamp_min(_NEAREST)
        flat = seen[..., :2] / depth[..., None]
        return self.offset[:, None] - self.focal[:, None, None] * flat, depth

    def unproject(self, image: Tensor, depth: Tensor) -> Tensor:
        """Object points ``(N, P, 3)`` at image points ``(N, P, 2)`` and depths ``(N, P)``."""
        flat = (self.offset[:, None] - image) / self.focal[:, None, None]
        rays = torch.cat([flat, torch.ones_like(flat[..., :1])], -1)
        return (rays * depth[..., None] - self.t[:, None]) @ self.R


def to_cameras(
    angles: Tensor, frame: Tensor, evidence: Evidence, place: Placement, loss: Tensor, weight: Tensor
) -> Cameras:
    """Perspective cameras of the crops from working poses ``(N, 3)`` and frames ``(N, 3)``."""
    return Cameras(*seen_from(angles, frame, evidence, place), _array(loss), _array(weight))


def seen_from(
    angles: Tensor, frame: Tensor, evidence: Evidence, place: Placement
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """``R``, ``t``, ``fov`` and ``offset`` of `Cameras` from working poses ``(N, 3)`` and frames ``(N, 3)``."""
    R = rotation(angles)
    t = R @ angles.new_tensor(place.centre)
    t[:, 2] += place.distance
    focal = evidence.half * frame[:, 0] * place.distance
    offset = evidence.centre + evidence.half[:, None] * frame[:, 1:]
    fov = 2 * torch.atan(1 / focal.clamp_min(1e-6))
    return _array(R), _array(t / place.scale), _array(fov), _array(offset)


def from_cameras(cameras: Cameras, evidence: Evidence, place: Placement) -> tuple[Tensor, Tensor]:
    """Working poses ``(N, 3)`` and frames ``(N, 3)`` of cameras, in any placement.

    Exact where the cameras stand at the placement's distance and look at its centre, as those of
    :func:`to_cameras` do; otherwise equal to first order around the object's centre.
    """
    device = evidence.half.device
    R, t, fov, offset = (torch.from_numpy(x).to(device) for x in (cameras.R, cameras.t, cameras.fov, cameras.offset))
    t = t * place.scale - R @ R.new_tensor(place.centre)
    slope = 1 / (torch.tan(fov / 2) * t[:, 2])
    offset = offset - slope[:, None] * t[:, :2]
    frame = torch.cat([slope[:, None], offset - evidence.centre], 1) / evidence.half[:, None]
    return angles_of(R), frame


def select_cameras(cameras: Cameras, index: NDArray[np.int64]) -> Cameras:
    """The cameras at ``index``, in its order."""
    others = cameras.alternatives
    part = others and Alternatives(*(getattr(others, name)[index] for name in Alternatives.__slots__))
    return Cameras(*(getattr(cameras, name)[index] for name in CAMERA_ARRAYS), alternatives=part)


def join_cameras(parts: Sequence[Cameras]) -> Cameras:
    """The cameras of all parts, in their order; alternatives only if all parts have them."""
    known = [part.alternatives for part in parts if part.alternatives is not None]
    others = Alternatives(*_joined(Alternatives.__slots__, known)) if len(known) == len(parts) else None
    return Cameras(*_joined(CAMERA_ARRAYS, parts), alternatives=others)


def _joined(names: Sequence[str], parts: Sequence[Cameras] | Sequence[Alternatives]) -> list[NDArray[np.float32]]:
    return [np.concatenate([getattr(part, name) for part in parts]) for name in names]


def _array(x: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = x.detach().cpu().float().numpy()
    return array
