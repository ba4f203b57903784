"""Mugs and jugs, drawn at random; the handle points to -z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Array, Solid, arc, lathe, tube


def mug(rng: np.random.Generator) -> list[Solid]:
    """Hollow cup with one handle."""
    height, top, bottom = rng.uniform(0.8, 1.15), rng.uniform(0.34, 0.48), rng.uniform(0.28, 0.46)
    body = _outline(height, bottom, top, rng.uniform(-0.04, 0.1))
    reach, grip = rng.uniform(0.22, 0.32), rng.uniform(0.24, 0.34)
    handle = arc((0, height * 0.52, -(top + bottom) / 2 + 0.04), (reach, grip), 90, 270, "zy")
    return [_hollow(body, 0.05), tube(handle, rng.uniform(0.045, 0.065), part=1)]


def jug(rng: np.random.Generator) -> list[Solid]:
    """Bellied pitcher with a neck, a large handle and a spout at the front."""
    height, neck, belly = rng.uniform(1.0, 1.3), rng.uniform(0.16, 0.24), rng.uniform(0.34, 0.44)
    levels = np.array([0.0, 0.08, 0.3, 0.5, 0.72, 0.85, 1.0]) * height
    body = np.stack([[0.22, 0.26, belly, belly * 0.92, neck, neck, neck * 1.25], levels], axis=-1)
    handle = arc((0, height * 0.62, -neck), (belly * 0.95, height * 0.3), 90, 265, "zy")
    spout = [(0, height * 0.62, neck * 0.8), (0, height * 0.8, neck + 0.1), (0, height * 1.02, neck + 0.24)]
    return [_hollow(body, 0.03), tube(handle, 0.04, part=1), tube(spout, [0.1, 0.075, 0.05], part=1)]


def _outline(height: float, bottom: float, top: float, belly: float) -> Array:
    """Outer wall from the foot to the rim as ``(N, 2)`` pairs (radius, height)."""
    share = np.linspace(0, 1, 9)
    radius = bottom + (top - bottom) * share + belly * np.sin(np.pi * share)
    return np.stack([radius, share * height], axis=-1)


def _hollow(outline: Array, wall: float) -> Solid:
    """Vessel open at the top: the wall runs up outside and down inside to a floor."""
    inside = np.maximum(outline - [wall, 0], [0.02, wall * 1.5])[::-1]
    profile = np.concatenate([[[0, 0]], outline, inside, [[0, wall * 1.5]]])
    return lathe(profile, segments=36)
