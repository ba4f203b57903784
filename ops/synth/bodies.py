"""Sofas, beds, shelves and chests: bulky furniture, drawn at random; its front faces +z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Solid, box, cushion, cylinder, tilt


def sofa(rng: np.random.Generator) -> list[Solid]:
    """Two or three seats between arms, sometimes with a longer seat at one end."""
    width, depth, seat = rng.uniform(1.3, 2.3), rng.uniform(0.75, 1.0), rng.uniform(0.34, 0.46)
    arm, back = rng.uniform(0.08, 0.26), rng.uniform(0.3, 0.55)
    solids = [box((width, seat * 0.6, depth), (0, seat * 0.5, 0))]
    solids.append(
        tilt(cushion((width, back + seat, 0.24), (0, (back + seat) / 2 + 0.1, -depth / 2 + 0.12), 0, 0.3), -6)
    )
    for side in (-1, 1):
        if rng.random() < 0.9:
            high = rng.uniform(0.12, 0.3)
            at = (side * (width - arm) / 2, (seat + high) / 2 + 0.05, 0)
            solids.append(cushion((arm, seat + high, depth), at, sharpness=rng.uniform(0.15, 0.5)))
    seats = int(rng.integers(1, 4))
    each = (width - 2 * arm) / seats
    for number in range(seats):
        x = -width / 2 + arm + each * (number + 0.5)
        long = depth * rng.uniform(0.3, 0.7) if number == 0 and rng.random() < 0.25 else 0.0
        solids.append(cushion((each, 0.17, depth * 0.75 + long), (x, seat, 0.1 + long / 2), 1, 0.3))
        solids.append(tilt(cushion((each, back, 0.18), (x, seat + back / 2, -depth / 2 + 0.3), 1, 0.4), -8))
    return solids + _feet(width, depth, 0.1)


def bed(rng: np.random.Generator) -> list[Solid]:
    """Frame, mattress, pillows, a head board and often a lower foot board."""
    width, length, height = rng.uniform(0.9, 1.9), rng.uniform(1.9, 2.2), rng.uniform(0.25, 0.5)
    solids = [box((width, height * 0.5, length), (0, height * 0.6, 0))]
    solids.append(cushion((width * 0.97, 0.24, length * 0.97), (0, height + 0.1, 0), 1, 0.25))
    head = rng.uniform(0.3, 0.9)
    solids.append(box((width * 1.04, height + head, 0.07), (0, (height + head) / 2, -length / 2)))
    if rng.random() < 0.5:
        foot = height + rng.uniform(0.05, 0.3)
        solids.append(box((width * 1.04, foot, 0.06), (0, foot / 2, length / 2)))
    pillows = int(rng.integers(1, 3))
    for x in (np.arange(pillows) - (pillows - 1) / 2) * width * 0.45:
        solids.append(cushion((width * 0.4, 0.15, 0.38), (x, height + 0.26, -length / 2 + 0.28), 2, 0.6))
    return solids + _feet(width, length, height * 0.4)


def shelf(rng: np.random.Generator) -> list[Solid]:
    """Open shelves between sides, with or without a back wall, some of them filled."""
    width, height, depth = rng.uniform(0.5, 1.6), rng.uniform(0.6, 2.0), rng.uniform(0.25, 0.5)
    solids = [box((0.04, height, depth), (side * width / 2, height / 2, 0)) for side in (-1, 1)]
    levels = np.linspace(0.05, height - 0.02, int(rng.integers(3, 7)))
    for level in levels:
        solids.append(box((width, 0.04, depth), (0, level, 0)))
    if rng.random() < 0.7:
        solids.append(box((width, height, 0.02), (0, height / 2, -depth / 2), part=1))
    gap = float(levels[1] - levels[0])
    for level in levels[:-1]:
        if rng.random() < 0.4:
            filled = width * rng.uniform(0.2, 0.9)
            solids.append(box((filled, gap * 0.7, depth * 0.7), (rng.uniform(-0.4, 0.4) * (width - filled),
                                                                 level + gap * 0.37, 0.02), part=2))  # fmt: skip
    return solids


def chest(rng: np.random.Generator) -> list[Solid]:
    """A chest of drawers or doors with knobs on its front."""
    width, height, depth = rng.uniform(0.5, 1.6), rng.uniform(0.5, 1.8), rng.uniform(0.35, 0.65)
    foot = rng.uniform(0.02, 0.25)
    solids = [box((width, height, depth), (0, foot + height / 2, 0))]
    solids.append(box((width * 1.05, 0.04, depth * 1.05), (0, foot + height, 0)))
    rows, columns = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    tall, wide = height / rows, width / columns
    for row in range(rows):
        for column in range(columns):
            x, y = -width / 2 + wide * (column + 0.5), foot + tall * (row + 0.5)
            solids.append(box((wide * 0.9, tall * 0.88, 0.02), (x, y, depth / 2 + 0.01), part=1))
            solids.append(cushion((0.05, 0.05, 0.05), (x, y, depth / 2 + 0.04), part=2, sharpness=1.0, steps=6))
    return solids + _feet(width, depth, foot)


def _feet(width: float, depth: float, height: float) -> list[Solid]:
    places = ((x * (width / 2 - 0.05), height / 2, z * (depth / 2 - 0.05)) for x in (-1, 1) for z in (-1, 1))
    return [cylinder(0.03, height, place, part=2, segments=12) for place in places]
