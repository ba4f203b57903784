"""Random materials: a tileable texture of two colours and how much it shines."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.synth.primitives import Array

TILE = 128
"""Side of a texture in texels."""


@dataclass(frozen=True, slots=True)
class Material:
    """What one part is made of.

    Attributes:
        texture: ``(TILE, TILE, 3)`` float64 linear colours in [0, 1].
        scale: repeats per object unit.
        gloss: strength of the highlight in [0, 1].
    """

    texture: Array
    scale: float
    gloss: float

    def colour(self, points: Array, normals: Array) -> Array:
        """Colours ``(N, 3)`` at surface points, projected along the normals' dominant axes."""
        axis = np.abs(normals).argmax(1)
        planes = np.array([[2, 1], [0, 2], [0, 1]])[axis]
        coordinates = np.take_along_axis(points, planes, 1) * self.scale * TILE
        texel = np.floor(coordinates).astype(np.int64) % TILE
        chosen: Array = self.texture[texel[:, 1], texel[:, 0]]
        return chosen


def random_material(rng: np.random.Generator) -> Material:
    """Half of all materials are plain; the others are marbled, grained, striped, chequered or speckled."""
    base = random_colour(rng)
    accent = np.clip(base * rng.uniform(0.3, 0.7), 0, 1) if rng.random() < 0.6 else random_colour(rng)
    blend = _pattern(rng, int(rng.integers(10)))[..., None]
    return Material(base * (1 - blend) + accent * blend, rng.uniform(0.8, 2.5), rng.choice([0.0, 0.1, 0.4]))


def random_colour(rng: np.random.Generator) -> Array:
    """A colour ``(3,)`` in [0, 1], between muted and vivid."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(1.2, 1.8), rng.uniform(0.3, 1.0)))


def noise(rng: np.random.Generator, size: int, coarse: int, octaves: int = 4) -> Array:
    """Tileable fractal value noise ``(size, size)`` in [0, 1]; ``coarse`` cells in its first octave."""
    total = np.zeros((size, size))
    for octave in range(octaves):
        cells = coarse * 2**octave
        if cells <= size:
            total += _smooth(rng.random((cells, cells)), size) / 2**octave
    low, high = total.min(), total.max()
    scaled: Array = (total - low) / (high - low)
    return scaled


def _pattern(rng: np.random.Generator, kind: int) -> Array:
    """Blend weights ``(TILE, TILE)`` between the base colour (0) and the accent (1)."""
    along = np.arange(TILE) / TILE
    count = int(rng.integers(2, 7))
    if kind == 5:
        return noise(rng, TILE, 4)
    if kind == 6:
        grain = np.sin(2 * np.pi * (count * along[None, :] + 0.6 * noise(rng, TILE, 2)))
        return 0.5 + 0.5 * grain * noise(rng, TILE, 8)
    if kind == 7:
        return np.broadcast_to((along * count % 1 < 0.5).astype(float), (TILE, TILE))
    if kind == 8:
        return ((along * count % 1 < 0.5)[:, None] ^ (along * count % 1 < 0.5)[None, :]).astype(float)
    if kind == 9:
        return (noise(rng, TILE, 16, 2) > 0.6).astype(float)
    return 0.15 * noise(rng, TILE, 8)


def _smooth(grid: Array, size: int) -> Array:
    """Enlarge a periodic grid to ``(size, size)`` with smoothstep interpolation."""
    cells = len(grid)
    position = np.arange(size) * cells / size
    index: NDArray[np.int64] = position.astype(np.int64)
    share = position - index
    share = share * share * (3 - 2 * share)
    following = (index + 1) % cells
    rows = grid[index] * (1 - share)[:, None] + grid[following] * share[:, None]
    smooth: Array = rows[:, index] * (1 - share) + rows[:, following] * share
    return smooth
