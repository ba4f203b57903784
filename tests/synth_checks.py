"""Helpers for the tests of procedural shapes."""

from __future__ import annotations

import numpy as np

from ops.synth.shapes import Maker, Shape, assemble


def draw(maker: Maker, seed: int = 3) -> Shape:
    """One normalised shape of a kind."""
    return assemble("thing-00", "thing", maker(np.random.default_rng(seed)))


def mirror_error(shape: Shape) -> float:
    """Largest distance from a vertex mirrored left to right to the nearest vertex."""
    mirrored = shape.vertices * [-1, 1, 1]
    gaps = np.linalg.norm(mirrored[:, None] - shape.vertices[None], axis=-1)
    return float(gaps.min(1).max())


def is_sound(shape: Shape) -> bool:
    """Whether a shape is finite, normalised and made of solids wound outward."""
    a, b, c = (shape.vertices[shape.faces[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    longest = np.ptp(shape.vertices, axis=0).max()
    return bool(np.isclose(longest, 1) and np.isfinite(shape.normals).all() and volume > 1e-4)
