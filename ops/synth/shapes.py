"""From a seed to a normalised object: the catalogue of kinds and the mesh put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ops.errors import ConfigError
from ops.synth import lamps, seats, tables, vessels
from ops.synth.primitives import Array, Solid

Maker = Callable[[np.random.Generator], list[Solid]]

KINDS: tuple[tuple[str, Maker], ...] = (
    ("chair", seats.four_leg_chair),
    ("lamp", lamps.desk_lamp),
    ("chair", seats.armchair),
    ("mug", vessels.mug),
    ("table", tables.desk),
    ("chair", seats.stool_with_back),
    ("table", tables.round_table),
    ("chair", seats.office_chair),
    ("lamp", lamps.floor_lamp),
    ("table", tables.rectangular_table),
    ("mug", vessels.jug),
    ("chair", seats.rocking_chair),
    ("table", tables.side_table),
    ("lamp", lamps.arc_lamp),
    ("chair", seats.shell_chair),
)
"""Category and maker; shape number i takes entry ``i % len(KINDS)``, so few shapes are all different."""

PALETTE = np.array([[139, 99, 66], [196, 176, 148], [70, 74, 82]], dtype=np.uint8)
"""Colours of the parts in the exported truth meshes."""

CREASE = np.cos(np.radians(40))
"""Faces that meet at a sharper angle keep their edge."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One object in the object frame: y up, centred, longest bounding-box side 1.

    Attributes:
        name: category and number, such as ``chair-00``.
        category: what it is.
        vertices: ``(V, 3)`` float64.
        faces: ``(F, 3)`` int64, counter-clockwise seen from outside.
        parts: ``(F,)`` int64 material number of each face.
        normals: ``(F, 3, 3)`` unit shading normals at each face's three corners.
    """

    name: str
    category: str
    vertices: Array
    faces: NDArray[np.int64]
    parts: NDArray[np.int64]
    normals: Array

    @property
    def face_colors(self) -> NDArray[np.uint8]:
        """``(F, 3)`` uint8 colours of the parts."""
        return PALETTE[self.parts % len(PALETTE)]


def make_shapes(count: int, seed: int) -> list[Shape]:
    """The first ``count`` shapes of a seed.

    Raises:
        ConfigError: ``count`` is not positive.
    """
    if count < 1:
        raise ConfigError(f"shapes must be at least 1, not {count}")
    numbers = dict.fromkeys((category for category, _ in KINDS), 0)
    shapes = []
    for index in range(count):
        category, maker = KINDS[index % len(KINDS)]
        solids = maker(np.random.default_rng((seed, index)))
        shapes.append(assemble(f"{category}-{numbers[category]:02d}", category, solids))
        numbers[category] += 1
    return shapes


def assemble(name: str, category: str, solids: list[Solid]) -> Shape:
    """Put solids together, normalise their frame and work out shading normals."""
    counts = [len(solid.vertices) for solid in solids]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
    vertices = np.concatenate([solid.vertices for solid in solids])
    faces = np.concatenate([solid.faces + shift for solid, shift in zip(solids, offsets, strict=True)])
    parts = np.concatenate([np.full(len(solid.faces), solid.part) for solid in solids])
    low, high = vertices.min(0), vertices.max(0)
    vertices = (vertices - (low + high) / 2) / (high - low).max()
    return Shape(name, category, vertices, faces, parts, corner_normals(vertices, faces))


def corner_normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """``(F, 3, 3)`` unit normals, smooth where faces meet bluntly and split along creases."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    weighted = np.cross(b - a, c - a)
    flat = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
    count, corners = len(faces), faces.reshape(-1)
    ones, columns = np.ones(len(corners)), np.repeat(np.arange(count), 3)
    touches = sparse.csr_matrix((ones, (corners, columns)), shape=(len(vertices), count))
    pairs = touches[corners].tocoo()
    near = np.einsum("ij,ij->i", flat[pairs.row // 3], flat[pairs.col]) > CREASE
    summed = np.zeros((len(corners), 3))
    np.add.at(summed, pairs.row[near], weighted[pairs.col[near]])
    unit: Array = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return unit.reshape(-1, 3, 3)
