"""Z-buffered triangle rasteriser in numpy, vectorised over all fragments of a mesh at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.synth.primitives import Array

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fragments:
    """The nearest surface point under each covered pixel.

    Attributes:
        pixels: ``(N,)`` int64 indices into the flattened image.
        faces: ``(N,)`` int64 visible face.
        weights: ``(N, 3)`` perspective-correct barycentric coordinates.
    """

    pixels: Indices
    faces: Indices
    weights: Array


def rasterise(points: Array, nearness: Array, faces: Indices, size: int, cull: bool = True) -> Fragments:
    """Find what is visible at the centre of each pixel.

    Args:
        points: ``(V, 2)`` pixel coordinates, x right and y down from the top left corner.
        nearness: ``(V,)`` inverse depths, positive.
        faces: ``(F, 3)`` int64.
        size: image side in pixels.
        cull: leave out faces seen from behind.

    Returns:
        One fragment a covered pixel, in ascending pixel order.
    """
    keep, faces = _front(points, faces, cull)
    edges, area = _edges(points[faces])
    face, row = _rows(points[faces][:, :, 1], size)
    face, row, column = _spans(edges, face, row, size)
    screen = _evaluate(edges, face, column, row) / area[face, None]
    scaled = screen * nearness[faces][face]
    inverse = scaled.sum(1)
    pixel = row * size + column
    winner = _nearest(pixel, inverse, size * size)
    return Fragments(pixel[winner], keep[face[winner]], scaled[winner] / inverse[winner, None])


def _front(points: Array, faces: Indices, cull: bool) -> tuple[Indices, Indices]:
    """Faces with area, turned to positive orientation on the screen, and their indices."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    signed = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    keep = np.flatnonzero(signed < -1e-9 if cull else np.abs(signed) > 1e-9)
    return keep, faces[keep]


def _edges(corners: Array) -> tuple[Array, Array]:
    """Edge functions ``(F, 3, 3)`` as coefficients of (x, y, 1), positive inside, and twice the areas."""
    start, end = np.roll(corners, -1, 1), np.roll(corners, -2, 1)
    slope = np.stack([start[..., 1] - end[..., 1], end[..., 0] - start[..., 0]], -1)
    offset = -(slope * start).sum(-1)
    edges = np.concatenate([slope, offset[..., None]], -1)
    area = (edges[:, 0, :2] * corners[:, 0]).sum(-1) + edges[:, 0, 2]
    return edges * np.sign(area)[:, None, None], np.abs(area)


def _rows(heights: Array, size: int) -> tuple[Indices, Indices]:
    """Every (face, pixel row) pair whose row centre lies within the face's vertical extent."""
    first = np.clip(np.ceil(heights.min(1) - 0.5), 0, size).astype(np.int64)
    last = np.clip(np.ceil(heights.max(1) - 0.5), 0, size).astype(np.int64)
    return _expand(np.arange(len(heights)), first, last - first)


def _spans(edges: Array, face: Indices, row: Indices, size: int) -> tuple[Indices, Indices, Indices]:
    """The covered columns of each (face, row) pair, one (face, row, column) a fragment."""
    slope, rest = edges[face, :, 0], edges[face, :, 1] * (row + 0.5)[:, None] + edges[face, :, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -rest / slope
    left = np.where(slope > 0, crossing, -np.inf).max(1)
    right = np.where(slope < 0, crossing, np.inf).min(1)
    first = np.ceil(np.clip(left, 0, size) - 0.5).astype(np.int64)
    last = np.ceil(np.clip(right, 0, size) - 0.5).astype(np.int64)
    pair, column = _expand(np.arange(len(face)), first, np.maximum(last - first, 0))
    return face[pair], row[pair], column


def _expand(items: Indices, first: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """Repeat item i ``counts[i]`` times beside the running numbers ``first[i], first[i] + 1, ...``."""
    ends = np.cumsum(counts)
    running = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    return np.repeat(items, counts), np.repeat(first, counts) + running


def _evaluate(edges: Array, face: Indices, column: Indices, row: Indices) -> Array:
    """Edge functions ``(N, 3)`` at pixel centres, rounding errors below zero cut off."""
    chosen, x, y = edges[face], column[:, None] + 0.5, row[:, None] + 0.5
    values: Array = chosen[:, :, 0] * x + chosen[:, :, 1] * y + chosen[:, :, 2]
    return np.maximum(values, 0)


def _nearest(pixel: Indices, inverse: Array, pixels: int) -> Indices:
    """Index of the nearest fragment of each covered pixel; ties go to the later one."""
    best = np.zeros(pixels)
    np.maximum.at(best, pixel, inverse)
    candidates = np.flatnonzero(inverse >= best[pixel])
    winner = np.full(pixels, -1)
    winner[pixel[candidates]] = candidates
    found: Indices = winner[winner >= 0]
    return found
