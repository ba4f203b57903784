"""Canonical coordinates: from a pixel to the point of the shape it shows, and from a point to its pixel in every image.

The two-way maps of 3D Congealing (Zhang et al., ECCV 2024), over points spread on the surface. Image points are crop
coordinates in [-1, 1] (u right, v down), object points are in the object frame.

The surface and not the occupancy field is what rays meet: over two chairs, 0.62 and 0.52 of all points came out right
in other images where following rays through the field gave 0.52 and 0.49. The field is coarser, and misses thin legs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import trimesh
from torch import Tensor

from recon.camera import Pinholes
from recon.preview import sample_faces, splat
from recon.types import Mesh

TOLERANCE = 0.06
"""How far behind the nearest surface of its pixel a point still counts as visible, in object units."""
SLACK = 0.03
"""Points so much farther from an image point than the closest one may be what it shows, in half crop sides."""
HIT = 0.04
"""An image point that is farther from all points of the surface lies beside the shape; about twice their spacing."""
_POINTS = 8000
_CELLS = 64
_BUDGET = 20_000_000


@dataclass(frozen=True, slots=True)
class Lifted:
    """The surface behind image points, each ``(N, P)`` or ``(N, P, 3)``.

    Attributes:
        points: on the surface; beside the shape, where it comes closest in the image.
        depth: of those along the camera's axis, in object units.
        hit: whether the image point lies on the shape.
    """

    points: Tensor
    depth: Tensor
    hit: Tensor


@dataclass(frozen=True, slots=True)
class Located:
    """Where object points lie in images.

    Attributes:
        image: ``(N, P, 2)`` image points, which may lie outside the crop.
        depth: ``(N, P)`` along the camera's axis, in object units.
        visible: ``(N, P)`` whether the point is within the crop and nothing of the shape is before it.
    """

    image: Tensor
    depth: Tensor
    visible: Tensor


def surface_points(mesh: Mesh, device: torch.device, count: int = _POINTS) -> Tensor:
    """Object points ``(count, 3)`` spread at random over a surface, always the same ones."""
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points, _ = trimesh.sample.sample_surface(body, count, seed=0)
    return torch.tensor(points, dtype=torch.float32, device=device)


def lift(surface: Tensor, eyes: Pinholes, image: Tensor) -> Lifted:
    """The forward map: which point of the shape each image point shows.

    Args:
        surface: ``(S, 3)`` points spread over it.
        eyes: ``N`` cameras.
        image: ``(N, P, 2)`` image points.
    """
    seen, depth = eyes.project(surface)
    step = max(1, _BUDGET // (len(eyes) * len(surface)))
    parts = [_nearest(seen, depth, part) for part in torch.split(image, step, 1)]
    index, hit = (torch.cat(each, 1) for each in zip(*parts, strict=True))
    found = depth.gather(1, index)
    on_ray = eyes.unproject(image, found)
    return Lifted(torch.where(hit[..., None], on_ray, surface[index]), found, hit)


def locate(surface: Tensor, eyes: Pinholes, points: Tensor) -> Located:
    """The reverse map: where points of the shape are in each image, and whether they can be seen there.

    Args:
        surface: ``(S, 3)`` points spread over it.
        eyes: ``N`` cameras.
        points: ``(P, 3)`` object points, or ``(N, P, 3)`` other ones for each camera.
    """
    image, depth = eyes.project(points)
    first = _depth_buffers(surface, eyes).gather(1, _cells(image))
    return Located(image, depth, (depth <= first + TOLERANCE) & (image.abs().amax(-1) <= 1))


def coordinate_map(mesh: Mesh, eyes: Pinholes, pixels: int) -> Tensor:
    """The dense forward map ``(pixels, pixels, 3)`` of one camera: points behind pixels, NaN beside the shape."""
    points = torch.from_numpy(mesh.vertices).to(eyes.t.device)
    image, depth = eyes.project(points)
    corners = torch.cat([(image[0] + 1) * (pixels / 2), depth[0, :, None], points], 1)
    found = splat(sample_faces(corners[torch.from_numpy(mesh.faces).to(points.device).long()]), pixels)
    return found[..., :3].where(found[..., 3:] > 0, torch.nan)


def _nearest(seen: Tensor, depth: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Index ``(N, P)`` of the surface point that image points show, and whether they lie on the shape.

    It is the closest in the image of those that lie in front there: the foremost alone would be too near on a surface
    that is seen at a slant.
    """
    away = torch.cdist(image, seen)
    least = away.amin(-1, keepdim=True)
    front = depth[:, None].where(away <= least + SLACK, torch.inf).amin(-1, keepdim=True)
    index = away.where(depth[:, None] <= front + TOLERANCE, torch.inf).argmin(-1)
    return index, least[..., 0] <= HIT


def _depth_buffers(surface: Tensor, eyes: Pinholes) -> Tensor:
    """Least depth ``(N, _CELLS^2)`` of the surface in each cell of the crops, infinite where there is none."""
    image, depth = eyes.project(surface)
    depth = depth.where(image.abs().amax(-1) <= 1, torch.inf)
    empty = torch.full((len(eyes), _CELLS**2), torch.inf, device=surface.device)
    return empty.scatter_reduce(1, _cells(image), depth, "amin")


def _cells(image: Tensor) -> Tensor:
    cell = ((image + 1) * (_CELLS / 2)).clamp(0, _CELLS - 1).long()
    return cell[..., 1] * _CELLS + cell[..., 0]
