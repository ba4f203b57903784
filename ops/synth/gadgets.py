"""Screens, instruments and appliances, drawn at random; their fronts face +z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Solid, box, cushion, cylinder, lathe, raised, tilt, tube


def screen(rng: np.random.Generator) -> list[Solid]:
    """A laptop, or a monitor on its foot with or without a keyboard before it."""
    width, height, depth = rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.65), rng.uniform(0.03, 0.3)
    if rng.random() < 0.5:
        base = rng.uniform(0.35, 0.6)
        lid = box((width, height, 0.03), (0, height / 2, -base / 2))
        pane = box((width * 0.92, height * 0.86, 0.01), (0, height / 2, -base / 2 + 0.02), part=1)
        lean = rng.uniform(-40, 5)
        hinge = (0, 0, -base / 2)
        keys = box((width * 0.85, 0.015, base * 0.45), (0, 0.025, -base * 0.1), part=2)
        return [box((width, 0.035, base), (0, 0, 0)), keys, tilt(lid, lean, hinge), tilt(pane, lean, hinge)]
    stand = rng.uniform(0.08, 0.3)
    solids = [
        cushion((width, height, depth), (0, stand + height / 2, -depth / 2), sharpness=0.15),
        box((width * 0.88, height * 0.84, 0.02), (0, stand + height / 2, 0.005), part=1),
        box((width * 0.5, 0.03, 0.3), (0, 0.015, -depth / 2), part=2),
        tube([(0, 0, -depth / 2), (0, stand + height * 0.3, -depth * 0.8)], 0.04, part=2),
    ]
    if rng.random() < 0.4:
        solids.append(box((width * 0.9, 0.03, 0.25), (0, 0.015, 0.4), part=2))
    return solids


def camera(rng: np.random.Generator) -> list[Solid]:
    """A box with a lens barrel, a finder and a shutter button."""
    width, height, depth = rng.uniform(0.7, 1.1), rng.uniform(0.45, 0.8), rng.uniform(0.25, 0.5)
    solids = [cushion((width, height, depth), (0, 0, 0), sharpness=0.2)]
    radius, reach = rng.uniform(0.14, 0.28), rng.uniform(0.1, 0.6)
    place = rng.uniform(-0.15, 0.15)
    solids.append(tube([(place, 0, depth / 2 - 0.02), (place, 0, depth / 2 + reach)], radius, part=1, sides=20))
    solids.append(box((width * 0.3, height * 0.25, depth * 0.8), (place, height * 0.6, 0)))
    solids.append(cylinder(0.05, 0.08, (width * 0.35, height / 2 + 0.03, 0), part=2))
    return solids


def clock(rng: np.random.Generator) -> list[Solid]:
    """A mantel clock or an alarm clock on two feet."""
    radius, depth, foot = rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.4), rng.uniform(0.02, 0.2)
    middle = foot + radius
    solids = [tube([(0, middle, -depth / 2), (0, middle, depth / 2)], radius, sides=28)]
    solids.append(tube([(0, middle, depth / 2), (0, middle, depth / 2 + 0.01)], radius * 0.88, part=1, sides=28))
    for length, angle in ((0.5, rng.uniform(0, 6.3)), (0.75, rng.uniform(0, 6.3))):
        tip = np.array([np.sin(angle), np.cos(angle), 0]) * radius * length
        face = np.array([0, middle, depth / 2 + 0.02])
        solids.append(tube([face, face + tip], 0.015, part=2))
    for side in (-1, 1):
        solids.append(
            tube([(side * radius * 0.7, 0, 0), (side * radius * 0.5, middle - radius * 0.6, 0)], 0.04, part=2)
        )
        if rng.random() < 0.5:
            bell = (side * radius * 0.6, middle + radius * 0.85, 0)
            solids.append(cushion((radius * 0.5, radius * 0.4, radius * 0.5), bell, part=2, sharpness=0.9))
    return solids


def piano(rng: np.random.Generator) -> list[Solid]:
    """An upright piano, or a cooker: a block with a ledge and a row of keys or knobs on its front."""
    width, height, depth = rng.uniform(0.8, 1.5), rng.uniform(0.8, 1.3), rng.uniform(0.4, 0.7)
    ledge, reach = height * rng.uniform(0.45, 0.75), rng.uniform(0.1, 0.35)
    solids = [box((width, height, depth), (0, height / 2, 0))]
    solids.append(box((width, 0.08, reach), (0, ledge, depth / 2 + reach / 2)))
    solids.append(box((width * 0.9, 0.02, reach * 0.8), (0, ledge + 0.05, depth / 2 + reach / 2), part=1))
    for x in np.linspace(-0.4, 0.4, int(rng.integers(2, 7))) * width:
        solids.append(cushion((0.06, 0.06, 0.06), (x, height * 0.88, depth / 2 + 0.02), part=2, sharpness=1.0, steps=6))
    for side in (-1, 1):
        if rng.random() < 0.7:
            front = np.array([side * width * 0.46, 0, depth / 2 + reach * 0.9])
            solids.append(tube([front, raised(front, ledge)], 0.03))
    return solids


def watering_can(rng: np.random.Generator) -> list[Solid]:
    """A can or a pot with a spout to the front and a handle behind."""
    radius, height = rng.uniform(0.18, 0.32), rng.uniform(0.25, 0.55)
    waist = radius * rng.uniform(0.6, 1.2)
    body = lathe([(0, 0), (waist, 0), (radius, height * 0.5), (waist * 0.9, height), (0, height)])
    tip = (0, height * rng.uniform(0.8, 1.3), radius + rng.uniform(0.15, 0.5))
    spout = tube([(0, height * 0.3, radius * 0.6), tip], [0.07, rng.uniform(0.02, 0.06)], part=1)
    back = radius + rng.uniform(0.1, 0.25)
    path = [
        (0, height * 0.9, -waist * 0.8),
        (0, height * 0.85, -back),
        (0, height * 0.35, -back),
        (0, height * 0.25, -radius * 0.8),
    ]
    solids = [body, spout, tube(path, rng.uniform(0.02, 0.04), part=2)]
    if rng.random() < 0.5:
        solids.append(cushion((waist * 1.6, 0.08, waist * 1.6), (0, height, 0), part=2, sharpness=0.8))
    return solids
