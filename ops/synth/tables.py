"""Tables of several kinds, drawn at random."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Solid, beam, box, cushion, cylinder, lathe, raised, tube


def round_table(rng: np.random.Generator) -> list[Solid]:
    """Round top on a turned column with a wide foot; rotationally symmetric."""
    radius, height, foot = rng.uniform(0.4, 0.6), rng.uniform(0.55, 0.8), rng.uniform(0.2, 0.3)
    bulge = rng.uniform(0.04, 0.09)
    column = [(0, 0), (foot, 0), (foot, 0.02), (0.05, 0.08), (bulge, height * 0.4), (0.04, height * 0.7)]
    column += [(0.09, height - 0.02), (0, height)]
    edge = rng.uniform(0.03, 0.06)
    return [lathe(column), cylinder(radius, edge, (0, height, 0), part=1, segments=40)]


def rectangular_table(rng: np.random.Generator) -> list[Solid]:
    """Long four-legged table with an apron."""
    width, depth, height = rng.uniform(1.0, 1.4), rng.uniform(0.55, 0.75), rng.uniform(0.55, 0.75)
    leg, inset = rng.uniform(0.05, 0.09), rng.uniform(0.02, 0.1)
    solids = [box((width, 0.045, depth), (0, height, 0), part=1)]
    x, z = width / 2 - leg / 2 - inset, depth / 2 - leg / 2 - inset
    for sx, sz in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        place = np.array([sx * x, 0.0, sz * z])
        solids.append(beam(place, raised(place, height), (leg * 0.6, leg * 0.6), (leg, leg)))
    for side in (-1, 1):
        solids.append(box((2 * x, 0.09, 0.025), (0, height - 0.06, side * z)))
        solids.append(box((0.025, 0.09, 2 * z), (side * x, height - 0.06, 0)))
    return solids


def side_table(rng: np.random.Generator) -> list[Solid]:
    """Small tripod table: two round shelves on three splayed legs."""
    radius, height, splay = rng.uniform(0.2, 0.28), rng.uniform(0.5, 0.65), rng.uniform(0.05, 0.14)
    solids = [cylinder(radius, 0.035, (0, height, 0), part=1)]
    solids.append(cylinder(radius * 0.75, 0.025, (0, height * 0.35, 0), part=1))
    for angle in np.radians([0, 120, 240]):
        way = np.array([np.sin(angle), 0, np.cos(angle)])
        solids.append(tube([way * (radius + splay), raised(way * radius * 0.7, height)], 0.02))
    return solids


def desk(rng: np.random.Generator) -> list[Solid]:
    """Writing desk with a chest of drawers on one side and a panel on the other; not symmetric."""
    width, depth, height = rng.uniform(1.0, 1.3), rng.uniform(0.5, 0.62), rng.uniform(0.6, 0.75)
    chest, side = rng.uniform(0.3, 0.42), float(rng.choice([-1.0, 1.0]))
    solids = [box((width, 0.05, depth), (0, height, 0), part=1)]
    x = side * (width / 2 - chest / 2 - 0.02)
    solids.append(box((chest, height - 0.08, depth - 0.06), (x, height / 2 + 0.03, 0)))
    solids.append(box((0.04, height, depth - 0.06), (-side * (width / 2 - 0.05), height / 2, 0)))
    drawers = int(rng.integers(2, 5))
    pitch = (height - 0.12) / drawers
    for row in range(drawers):
        y = 0.1 + (row + 0.5) * pitch
        solids.append(box((chest - 0.04, pitch - 0.03, 0.03), (x, y, depth / 2 - 0.025), part=1))
        solids.append(cushion((0.1, 0.025, 0.03), (x, y, depth / 2), part=2, steps=6))
    middle = (-side * chest * 0.4, height * 0.75, -depth / 2 + 0.06)
    solids.append(box((width * 0.5, height * 0.35, 0.025), middle))
    return solids
