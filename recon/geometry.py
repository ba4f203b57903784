"""Poses of an upright camera around the working volume, and projection through them.

The working volume is the cube [-1, 1]^3 with y up; a mirror-symmetric object has its plane at x = 0. A pose
is ``angles`` (azimuth, elevation, roll in radians) and ``frame`` (scale s, offsets ou, ov): a point p lands at
``u = s * a + ou`` with ``a = -x_cam / (1 + z_cam / distance)``, where ``x_cam = R p`` in PyTorch3D's axes, and
likewise for v (down). ``(u, v)`` are coordinates in [-1, 1] of the view's window (see ``evidence``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def rotation(angles: Tensor) -> Tensor:
    """Rotations, object to camera, of ``(..., 3)`` azimuth, elevation, roll; returns ``(..., 3, 3)``.

    Azimuth 0 looks from +z along -z and grows towards +x; elevation is positive from above; a positive roll
    turns the image clockwise.
    """
    az, el, roll = angles.unbind(-1)
    zero = torch.zeros_like(az)
    left = torch.stack([-az.cos(), zero, az.sin()], -1)
    forward = torch.stack([-az.sin() * el.cos(), -el.sin(), -az.cos() * el.cos()], -1)
    up = torch.cross(forward, left, dim=-1)
    cos, sin = roll.cos()[..., None], roll.sin()[..., None]
    return torch.stack([cos * left + sin * up, cos * up - sin * left, forward], -2)


def angles_of(R: Tensor) -> Tensor:
    """Azimuth, elevation, roll ``(..., 3)`` of rotations ``(..., 3, 3)``; inverse of :func:`rotation`."""
    left, up, forward = R.unbind(-2)
    el = torch.asin((-forward[..., 1]).clamp(-1, 1))
    az = torch.atan2(-forward[..., 0], -forward[..., 2])
    roll = torch.atan2(left[..., 1], up[..., 1])
    return torch.stack([az, el, roll], -1)


def project(points: Tensor, angles: Tensor, frame: Tensor, distance: float) -> Tensor:
    """Window coordinates ``(..., V, 2)`` of ``points`` ``(V, 3)`` or ``(..., V, 3)`` for poses ``(..., 3)``."""
    cam = points @ rotation(angles).transpose(-1, -2)
    flat = -cam[..., :2] / (1 + cam[..., 2:] / distance)
    return frame[..., None, :1] * flat + frame[..., None, 1:]


def pixel_grid(pixels: int, device: torch.device) -> Tensor:
    """Centres ``(pixels^2, 2)`` of a window's pixels as (u, v), row by row."""
    line = (torch.arange(pixels, device=device) + 0.5) * (2 / pixels) - 1
    v, u = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([u, v], -1).reshape(-1, 2)


def voxel_grid(resolution: int, device: torch.device) -> Tensor:
    """Centres ``(D^3, 3)`` of the working volume's voxels as (x, y, z), x fastest."""
    line = (torch.arange(resolution, device=device) + 0.5) * (2 / resolution) - 1
    z, y, x = torch.meshgrid(line, line, line, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(-1, 3)


def pose_grid(azimuths: int, elevations: Sequence[float], device: torch.device) -> Tensor:
    """Candidate angles ``(azimuths * len(elevations), 3)``, elevations in radians, roll 0, azimuth fastest."""
    az = torch.arange(azimuths, device=device) * (2 * math.pi / azimuths)
    el = torch.tensor(elevations, device=device, dtype=az.dtype)
    e, a = torch.meshgrid(el, az, indexing="ij")
    return torch.stack([a, e, torch.zeros_like(a)], -1).reshape(-1, 3)


def wrap(angle: Tensor) -> Tensor:
    """Angles in radians brought to [-pi, pi)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
