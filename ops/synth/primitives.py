"""Solids that furniture is put together from: beams, boxes, cushions, lathes and swept tubes.

Every solid is closed and wound counter-clockwise seen from outside. Lengths are in arbitrary units;
y points up and an object's front faces +z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solid:
    """One closed piece of an object.

    Attributes:
        vertices: ``(V, 3)`` float64.
        faces: ``(F, 3)`` int64 indices into the vertices.
        part: number of the material the piece is made of.
    """

    vertices: Array
    faces: NDArray[np.int64]
    part: int = 0


def beam(start: ArrayLike, end: ArrayLike, size: ArrayLike, end_size: ArrayLike | None = None, part: int = 0) -> Solid:
    """Four-sided bar whose two horizontal ends, ``(width x, depth z)`` in size, are centred on the points.

    Args:
        start: ``(3,)`` centre of the lower end.
        end: ``(3,)`` centre of the upper end; must lie higher than ``start``.
        size: ``(2,)`` extent of the lower end along x and z.
        end_size: ``(2,)`` extent of the upper end; as ``size`` if omitted.
        part: material number.
    """
    corners = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])
    rings = []
    for centre, extent in ((start, size), (end, size if end_size is None else end_size)):
        ring = np.zeros((4, 3))
        ring[:, [0, 2]] = corners * np.asarray(extent)
        rings.append(ring + np.asarray(centre))
    return _loft(np.stack(rings), part)


def box(size: ArrayLike, centre: ArrayLike, part: int = 0) -> Solid:
    """Axis-parallel box with the extents ``size`` (x, y, z) around ``centre``."""
    (width, height, depth), middle = np.asarray(size, dtype=float), np.asarray(centre, dtype=float)
    half = np.array([0.0, height / 2, 0.0])
    return beam(middle - half, middle + half, (width, depth), part=part)


def cushion(size: ArrayLike, centre: ArrayLike, part: int = 0, sharpness: float = 0.35, steps: int = 10) -> Solid:
    """Superellipsoid: a box with well-rounded edges.

    Args:
        size: extents along x, y, z.
        centre: ``(3,)`` middle.
        part: material number.
        sharpness: 1 gives an ellipsoid, values towards 0 a box.
        steps: rings from pole to pole; twice as many around.
    """
    polar = np.linspace(-np.pi / 2, np.pi / 2, steps + 1)[:, None]
    around = np.linspace(0, 2 * np.pi, 2 * steps, endpoint=False)[None, :]
    radius = _signed_power(np.cos(polar), sharpness)
    radius[[0, -1]] = 0  # the powers of rounding errors would open the poles
    points = np.stack(
        [
            radius * _signed_power(np.sin(around), sharpness),
            _signed_power(np.sin(polar), sharpness) * np.ones_like(around),
            radius * _signed_power(np.cos(around), sharpness),
        ],
        axis=-1,
    )
    return _loft(points * np.asarray(size) / 2 + np.asarray(centre), part)


def lathe(profile: ArrayLike, centre: ArrayLike = (0, 0, 0), part: int = 0, segments: int = 28) -> Solid:
    """Solid of revolution about the y axis.

    Args:
        profile: ``(N, 2)`` pairs (radius, height), the outline from the axis at the bottom round the
            outside to the axis at the top; with a hollow it goes on down the inside.
        centre: ``(3,)`` where the profile's origin is put.
        part: material number.
        segments: facets around.
    """
    outline = np.asarray(profile, dtype=float)
    around = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    ring = np.stack([np.sin(around), np.zeros(segments), np.cos(around)], axis=-1)
    points = ring[None] * outline[:, 0, None, None]
    points[:, :, 1] = outline[:, 1, None]
    return _loft(points + np.asarray(centre), part)


def cylinder(radius: float, height: float, centre: ArrayLike, part: int = 0, segments: int = 28) -> Solid:
    """Upright cylinder around ``centre``."""
    half = height / 2
    return lathe([(0, -half), (radius, -half), (radius, half), (0, half)], centre, part, segments)


def tube(path: ArrayLike, radius: float | Sequence[float], part: int = 0, sides: int = 10) -> Solid:
    """Circle swept along a polyline without twist.

    Args:
        path: ``(N, 3)`` points, N >= 2.
        radius: one radius or one a point.
        part: material number.
        sides: facets around.
    """
    points = np.asarray(path, dtype=float)
    normals, binormals = _frames(points)
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    cosine, sine = np.cos(angles)[None, :, None], np.sin(angles)[None, :, None]
    circle = cosine * normals[:, None] + sine * binormals[:, None]
    radii = np.broadcast_to(np.asarray(radius, dtype=float), (len(points),))
    return _loft(points[:, None] + radii[:, None, None] * circle, part)


def arc(centre: ArrayLike, radii: ArrayLike, start: float, end: float, plane: str, steps: int = 12) -> Array:
    """Points ``(steps + 1, 3)`` of an elliptic arc in plane "xy", "xz" or "zy"; angles in degrees."""
    angles = np.radians(np.linspace(start, end, steps + 1))
    first, second = np.broadcast_to(np.asarray(radii, dtype=float), (2,))
    points = np.zeros((steps + 1, 3))
    points[:, "xyz".index(plane[0])] = first * np.cos(angles)
    points[:, "xyz".index(plane[1])] = second * np.sin(angles)
    points += np.asarray(centre, dtype=float)
    return points


def raised(point: ArrayLike, height: float) -> Array:
    """The point ``(3,)`` moved up by ``height``."""
    moved = np.array(point, dtype=float)
    moved[1] += height
    return moved


def tilt(solid: Solid, degrees: float, pivot: ArrayLike = (0, 0, 0)) -> Solid:
    """Turn a solid about the x axis through ``pivot``; positive angles tip its top towards +z."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    origin = np.asarray(pivot, dtype=float)
    return replace(solid, vertices=(solid.vertices - origin) @ turn.T + origin)


def _signed_power(values: Array, exponent: float) -> Array:
    return np.sign(values) * np.abs(values) ** exponent


def _frames(points: Array) -> tuple[Array, Array]:
    """Two unit vectors across the path at each point, carried along by parallel transport."""
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normal = np.cross(tangents[0], np.eye(3)[np.argmin(np.abs(tangents[0]))])
    normals = []
    for tangent in tangents:
        normal = normal - tangent * (normal @ tangent)
        normal = normal / np.linalg.norm(normal)
        normals.append(normal)
    across = np.array(normals)
    return across, np.cross(tangents, across)


def _loft(rings: Array, part: int) -> Solid:
    """Skin ``(N, M, 3)`` rings and close both ends with fans; faces without area are left out."""
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    nearer, farther = index[:-1], index[1:]
    a, b, c, d = nearer, np.roll(nearer, -1, 1), np.roll(farther, -1, 1), farther
    sides = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    first, last = count * around, count * around + 1
    caps = [
        np.stack([np.full(around, first), np.roll(index[0], -1), index[0]], -1),
        np.stack([np.full(around, last), index[-1], np.roll(index[-1], -1)], -1),
    ]
    vertices = np.concatenate([rings.reshape(-1, 3), rings[0].mean(0)[None], rings[-1].mean(0)[None]])
    faces = np.concatenate([sides, *caps]).astype(np.int64)
    return Solid(vertices, faces[_areas(vertices, faces) > 1e-10], part)


def _areas(vertices: Array, faces: NDArray[np.int64]) -> Array:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    areas: Array = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return areas
