"""Things of no kind: random solids stuck together, so that what learns from them learns no catalogue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ops.synth.primitives import Array, Solid, box, cushion, cylinder, lathe, tilt, tube

MIRRORED_SHARE = 0.7
"""How many things are left-right symmetric, as most made and living things are."""


def assembly(rng: np.random.Generator) -> list[Solid]:
    """Two to eight random solids, each near an earlier one; usually with their mirror images."""
    centres: list[Array] = [np.zeros(3)]
    solids: list[Solid] = []
    mirrored = rng.random() < MIRRORED_SHARE
    for number in range(int(rng.integers(2, 9))):
        centre = centres[int(rng.integers(len(centres)))] + rng.normal(0, 0.25, 3)
        extent = np.exp(rng.normal(np.log(0.25), 0.6, 3))
        if number == 0:
            centre, extent = centre * [0, 1, 1], extent * 1.8
        solid = _solid(rng, extent, centre, int(rng.integers(3)))
        solids.append(solid)
        if mirrored and number:
            solids.append(replace(solid, vertices=solid.vertices * [-1, 1, 1], faces=solid.faces[:, ::-1].copy()))
        centres.append(centre)
    return solids


def _solid(rng: np.random.Generator, extent: Array, centre: Array, part: int) -> Solid:
    kind = int(rng.integers(6))
    if kind >= 4:
        path = centre + np.concatenate([np.zeros((1, 3)), rng.normal(0, 0.4, (int(rng.integers(2, 6)), 3)).cumsum(0)])
        return tube(path, rng.uniform(0.01, 0.06), part)
    solid = _upright(rng, kind, extent, centre, part)
    return tilt(solid, float(np.degrees(rng.normal(0, 0.4))), centre)


def _upright(rng: np.random.Generator, kind: int, extent: Array, centre: Array, part: int) -> Solid:
    if kind == 0:
        return box(extent, centre, part)
    if kind == 1:
        return cushion(extent * 1.3, centre, part, rng.uniform(0.3, 1))
    if kind == 2:
        return cylinder(extent[0] / 2, extent[1] * 1.5, centre, part)
    radii, heights = np.abs(rng.normal(0.15, 0.1, 5)) + 0.02, np.linspace(-extent[1], extent[1], 5)
    outline = np.stack([[0, *radii, 0], [heights[0], *heights, heights[-1]]], axis=1)
    return lathe(outline, centre, part)
