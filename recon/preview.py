"""Pictures of a mesh: soft headlight shading on white or on nothing.

Every triangle is sampled densely enough that no pixel inside it is missed, and the nearest sample of a pixel
wins. For the small triangles of a carved surface this takes a fraction of a second on a CPU, where PyTorch3D's
CPU rasteriser, which tests every pixel against every triangle, takes tens of seconds.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recon.geometry import rotation
from recon.types import Mesh

_DISTANCE, _FOCAL = 3.2, 3.4
_AMBIENT = 0.35
_OVERSAMPLING = 2


def render_preview(
    mesh: Mesh,
    size: int = 256,
    azimuth: float = 35.0,
    elevation: float = 20.0,
    *,
    transparent: bool = False,
    device: str | torch.device = "cpu",
) -> NDArray[np.uint8]:
    """A picture of a mesh.

    Args:
        mesh: in the object frame.
        size: side in pixels.
        azimuth: degrees; 0 looks at the front (+z), growing towards +x.
        elevation: degrees above the horizon.
        transparent: return an alpha channel instead of a white background.
        device: torch device.

    Returns:
        ``(size, size, 3)`` uint8, or ``(size, size, 4)`` when transparent.
    """
    angles = torch.tensor([math.radians(azimuth), math.radians(elevation), 0.0], device=device)
    behind = torch.tensor([0.0, 0.0, _DISTANCE], device=device)
    points = torch.from_numpy(mesh.vertices).to(device) @ rotation(angles).T + behind
    rgba = draw(mesh, points, _FOCAL, torch.zeros(2, device=device), size)
    alpha = rgba[..., 3:]
    if transparent:
        image = torch.cat([rgba[..., :3] / alpha.clamp_min(1e-6), alpha], -1)
    else:
        image = rgba[..., :3] + (1 - alpha)
    pixels: NDArray[np.uint8] = (image.clamp(0, 1) * 255).round().byte().cpu().numpy()
    return pixels


def render_turntable(
    mesh: Mesh, frames: int = 24, size: int = 256, elevation: float = 20.0, *, transparent: bool = False
) -> NDArray[np.uint8]:
    """Pictures ``(frames, size, size, 3 or 4)`` of a full turn, starting at the front."""
    steps = [360.0 * k / frames for k in range(frames)]
    return np.stack([render_preview(mesh, size, a, elevation, transparent=transparent) for a in steps])


def draw(mesh: Mesh, points: Tensor, focal: float, offset: Tensor, size: int) -> Tensor:
    """A mesh as a camera sees it: premultiplied RGBA ``(size, size, 4)`` in [0, 1].

    Args:
        mesh: its faces and colours.
        points: ``(V, 3)`` its vertices in the camera's frame, PyTorch3D's axes.
        focal: focal length in half image sides.
        offset: ``(2,)`` of the principal point in half image sides, x right, y down.
        size: side of the picture in pixels.
    """
    rgba = _shade(mesh, points, focal, offset, size * _OVERSAMPLING)
    return F.avg_pool2d(rgba.permute(2, 0, 1)[None], _OVERSAMPLING)[0].permute(1, 2, 0)


def _shade(mesh: Mesh, points: Tensor, focal: float, offset: Tensor, size: int) -> Tensor:
    """Premultiplied RGBA ``(size, size, 4)`` in [0, 1], lit from the camera."""
    faces = torch.from_numpy(mesh.faces).to(points.device).long()
    depth = points[:, 2:]
    screen = (1 + offset - points[:, :2] * focal / depth) * (size / 2)
    facing = (_vertex_normals(points, faces) * F.normalize(-points, dim=-1)).sum(1)
    light = (_AMBIENT + (1 - _AMBIENT) * facing.clamp(0, 1))[:, None]
    colors = torch.from_numpy(mesh.colors).to(points.device).float() / 255 * light
    samples = sample_faces(torch.cat([screen, depth, colors], 1)[faces])
    return splat(samples, size)


def _vertex_normals(points: Tensor, faces: Tensor) -> Tensor:
    a, b, c = points[faces].unbind(1)
    normal = torch.cross(b - a, c - a, dim=-1)
    total = torch.zeros_like(points).index_add_(0, faces.flatten(), normal.repeat_interleave(3, 0))
    return F.normalize(total, dim=-1)


def sample_faces(corners: Tensor) -> Tensor:
    """Points on triangles ``(F, 3, A)``, less than a pixel apart in the first two attributes: ``(S, A)``."""
    edges = (corners[..., :2] - corners[..., :2].roll(1, 1)).norm(dim=-1).amax(1)
    steps = 2 ** (edges * 1.5).clamp_min(1).log2().ceil().long()
    samples = []
    for count in steps.unique().tolist():
        i, j = torch.meshgrid(*[torch.arange(count + 1, device=corners.device)] * 2, indexing="ij")
        inside = i + j <= count
        i, j = i[inside] / count, j[inside] / count
        weights = torch.stack([1 - i - j, i, j], -1)
        samples.append(torch.einsum("sk,fka->fsa", weights, corners[steps == count]).flatten(0, 1))
    return torch.cat(samples)


def splat(samples: Tensor, size: int) -> Tensor:
    """The nearest of the samples ``(S, 6)`` in each pixel: ``(size, size, 4)``, 0 where there is none.

    Args:
        samples: pixel coordinates u and v, depth, and three attributes such as a colour.
        size: side of the picture.

    Returns:
        The attributes, and 1 where there is a sample.
    """
    pixel = samples[:, :2].floor().long()
    keep = ((pixel >= 0) & (pixel < size)).all(1)
    row, samples = (pixel[:, 1] * size + pixel[:, 0])[keep], samples[keep]
    front = samples.new_full((size * size,), torch.inf)
    front.scatter_reduce_(0, row, samples[:, 2], "amin")
    nearest = samples[:, 2] <= front[row] + 1e-3
    color = samples.new_zeros(size * size, 4)
    ones = torch.ones_like(samples[nearest, :1])
    color.index_add_(0, row[nearest], torch.cat([samples[nearest, 3:], ones], 1))
    color = color / color[:, 3:].clamp_min(1)
    return color.reshape(size, size, 4)
