"""Lamps of several kinds, drawn at random."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Array, Solid, arc, cushion, cylinder, lathe, raised, tilt, tube


def desk_lamp(rng: np.random.Generator) -> list[Solid]:
    """Jointed desk lamp that leans back, reaches forward and looks down: no rotational symmetry."""
    low, high, back = rng.uniform(0.34, 0.46), rng.uniform(0.34, 0.46), rng.uniform(0.12, 0.24)
    foot, elbow = np.array([0, 0.04, -0.05]), np.array([0, 0.04 + low, -0.05 - back])
    head = elbow + np.array([0, high * rng.uniform(0.25, 0.6), high])
    solids = [lathe([(0, 0), (0.17, 0), (0.16, 0.03), (0.05, 0.05), (0, 0.05)], (0, 0, -0.05))]
    solids += [tube([foot, elbow], 0.02), tube([elbow, head], 0.018)]
    solids += [cushion((0.06, 0.06, 0.06), joint, 2, 1.0, 6) for joint in (elbow, head)]
    shade = _shade(rng.uniform(0.035, 0.06), rng.uniform(0.14, 0.19), rng.uniform(0.18, 0.26), head)
    return [*solids, tilt(shade, rng.uniform(-40, -15), head)]


def floor_lamp(rng: np.random.Generator) -> list[Solid]:
    """Standing lamp with a drum or cone shade; rotationally symmetric."""
    height, base = rng.uniform(1.2, 1.6), rng.uniform(0.14, 0.2)
    wide, narrow = rng.uniform(0.2, 0.3), rng.uniform(0.1, 0.2)
    solids = [cylinder(base, 0.04, (0, 0.02, 0)), tube([(0, 0.03, 0), (0, height - 0.05, 0)], 0.02)]
    solids.append(_shade(narrow, wide, rng.uniform(0.25, 0.4), np.array([0, height, 0])))
    return solids


def arc_lamp(rng: np.random.Generator) -> list[Solid]:
    """Heavy block with a long bow that carries a hanging bowl far from it."""
    reach, height, bowl = rng.uniform(0.3, 0.42), rng.uniform(0.8, 1.1), rng.uniform(0.14, 0.2)
    solids = [cushion((0.28, 0.14, 0.24), (0, 0.07, -reach), sharpness=0.2)]
    bow = arc((0, height * 0.55, 0), (reach, height * 0.4), 180, 10, "zy", 18)
    solids.append(tube([(0, 0.1, -reach), *bow], 0.018))
    end = bow[-1]
    rim = -bowl * 0.8
    inner = [(0, -0.06), (bowl * 0.5, -0.06), (bowl * 0.95, rim)]
    solids.append(lathe([*inner, (bowl, rim), (bowl * 0.6, -0.03), (0, 0)], end, part=1))
    solids.append(cushion((0.1, 0.1, 0.1), raised(end, -bowl * 0.55), part=2, sharpness=1.0, steps=8))
    return solids


def _shade(top: float, bottom: float, height: float, hang: Array) -> Solid:
    """Hollow cone hanging from ``hang``: inside wall, rim, outside wall, closed lid."""
    wall = 0.012
    inner = [(0, -0.03), (top - wall, -0.03), (bottom - wall, -height)]
    return lathe([*inner, (bottom, -height), (top, 0), (0, 0)], hang, part=1)
