"""Four-legged animals, drawn at random; their heads face +z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Array, Solid, cushion, lathe, tilt, tube


def quadruped(rng: np.random.Generator) -> list[Solid]:
    """Trunk, neck, head with muzzle and ears, four legs and a tail, from pig to giraffe in its proportions."""
    length, girth, legs = rng.uniform(0.6, 1.1), rng.uniform(0.16, 0.3), rng.uniform(0.25, 0.75)
    withers = legs + girth
    trunk = _trunk(rng, length, girth, withers)
    neck, lift = rng.uniform(0.1, 0.5), np.radians(rng.uniform(0, 75))
    base = np.array([0, withers + girth * 0.25, length / 2 - girth * 0.4])
    crown = base + neck * np.array([0, np.sin(lift), np.cos(lift)])
    thick = girth * rng.uniform(0.5, 0.8)
    return [
        trunk,
        tube([base - [0, 0, girth * 0.3], base, crown], [thick, thick, thick * 0.75]),
        *_head(rng, crown, girth * rng.uniform(0.55, 0.95)),
        *_legs(rng, length, girth, legs),
        *_tail(rng, np.array([0, withers + girth * 0.3, -length / 2]), girth),
    ]


def biped(rng: np.random.Generator) -> list[Solid]:
    """A figure that stands on two legs: trunk, head with a nose, arms, legs and feet."""
    legs, trunk, girth = rng.uniform(0.3, 0.9), rng.uniform(0.4, 0.7), rng.uniform(0.12, 0.26)
    shoulder = legs + trunk
    solids = [cushion((girth * 2.2, trunk * 1.1, girth * 1.3), (0, legs + trunk / 2, 0), sharpness=0.7)]
    size = rng.uniform(0.14, 0.3)
    head = np.array([0, shoulder + size * 1.1, 0])
    solids.append(cushion((size * 1.6, size * 2, size * 1.7), head, part=1, sharpness=0.9))
    solids.append(
        tube(
            [head, head + np.array([0, -size * 0.1, size * rng.uniform(0.95, 1.5)])], [size * 0.3, size * 0.12], part=1
        )
    )
    for side in (-1, 1):
        solids.append(
            cushion((0.05, 0.05, 0.05), head + np.array([side * size * 0.4, size * 0.3, size * 0.75]), 2, 1.0, 6)
        )
        root = np.array([side * girth * 1.1, shoulder - 0.06, 0])
        hand = root + rng.uniform(0.4, 0.65) * _direction(rng, side)
        solids.append(tube([root, (root + hand) / 2 + np.array([side * 0.03, 0, -0.05]), hand], girth * 0.3))
        foot = np.array([side * girth * 0.6, 0.04, 0])
        solids.append(tube([foot + np.array([0, legs, 0]), foot], [girth * 0.45, girth * 0.3], part=2))
        solids.append(cushion((girth * 0.6, 0.08, 0.24), foot + np.array([0, 0, 0.06]), part=2, sharpness=0.6))
    return solids


def bird(rng: np.random.Generator) -> list[Solid]:
    """An egg of a body on two thin legs, with a neck, a beak, a tail and folded wings."""
    length, girth, legs = rng.uniform(0.4, 0.8), rng.uniform(0.15, 0.3), rng.uniform(0.1, 0.7)
    middle = np.array([0, legs + girth, 0])
    body = tilt(cushion((girth * 1.8, girth * 1.8, length), middle, sharpness=0.95), rng.uniform(-35, 10), middle)
    neck, size = rng.uniform(0.05, 0.7), girth * rng.uniform(0.35, 0.7)
    base = middle + np.array([0, girth * 0.4, length * 0.35])
    head = base + np.array([0, neck + size, rng.uniform(0, 0.2)])
    beak, tail = size * rng.uniform(0.8, 3), length * rng.uniform(0.3, 1.0)
    solids = [body, tube([base - [0, girth * 0.3, 0.05], base, head], [girth * 0.6, size * 0.7, size * 0.6])]
    solids.append(cushion((size * 1.6, size * 1.6, size * 1.9), head, sharpness=1.0))
    solids.append(
        tube(
            [head + np.array([0, 0, size * 0.6]), head + np.array([0, -size * 0.3, size * 0.6 + beak])],
            [size * 0.35, 0.015],
            2,
        )
    )
    rear = middle + np.array([0, 0, -length * 0.4])
    solids.append(
        tube([rear, rear + np.array([0, rng.uniform(-0.3, 0.4) * tail, -tail])], [girth * 0.4, girth * 0.25], 1)
    )
    for side in (-1, 1):
        wing = middle + np.array([side * girth * 0.85, 0.03, -length * 0.08])
        solids.append(cushion((girth * 0.25, girth, length * 0.75), wing, 1, 0.9))
        hip = middle * [1, 0.9, 1] + np.array([side * girth * 0.4, 0, 0])
        solids.append(
            tube(
                [hip, hip * [1, 0, 1] + np.array([0, 0.01, 0.02]), hip * [1, 0, 1] + np.array([0, 0.01, 0.12])], 0.02, 2
            )
        )
    return solids


def _direction(rng: np.random.Generator, side: int) -> Array:
    """A unit vector down, out and forward: where an arm points."""
    way = np.array([side * rng.uniform(0.1, 0.8), rng.uniform(-1, 0.2), rng.uniform(-0.1, 0.6)])
    unit: Array = way / np.linalg.norm(way)
    return unit


def _trunk(rng: np.random.Generator, length: float, girth: float, height: float) -> Solid:
    along = np.linspace(-length / 2, length / 2, 7)
    swell = np.array([0.45, 0.85, 1, 0.95, 1, 0.85, 0.5]) * girth * rng.uniform(0.9, 1.1, 7)
    outline = np.stack([[0, *swell, 0], [along[0], *along, along[-1]]], axis=1)
    return tilt(lathe(outline, (0, height, 0)), 90, (0, height, 0))


def _head(rng: np.random.Generator, crown: Array, size: float) -> list[Solid]:
    droop, muzzle = np.radians(rng.uniform(-10, 50)), size * rng.uniform(0.8, 2.2)
    tip = crown + muzzle * np.array([0, -np.sin(droop), np.cos(droop)])
    solids = [
        cushion((size * 1.3, size * 1.3, size * 1.5), crown, sharpness=0.9),
        tube([crown, tip], [size * 0.55, size * rng.uniform(0.25, 0.45)]),
    ]
    ear, spread = size * rng.uniform(0.4, 1.3), rng.uniform(0.2, 1.2)
    horned = rng.random() < 0.3
    for side in (-1, 1):
        root = crown + np.array([side * size * 0.45, size * 0.45, -size * 0.15])
        end = root + ear * np.array([side * spread, 1, rng.uniform(-0.4, 0.2)])
        solids.append(tube([root, end], [size * 0.22, size * 0.06], part=0 if not horned else 1))
    return solids


def _legs(rng: np.random.Generator, length: float, girth: float, height: float) -> list[Solid]:
    thick, stride = girth * rng.uniform(0.18, 0.38), rng.normal(0, 0.08, 4)
    solids = []
    for number, (x, z) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        hip = np.array([x * girth * 0.55, height + girth * 0.6, z * (length / 2 - girth * 0.6)])
        knee = hip * [1, 0.5, 1] + np.array([0, 0, stride[number]])
        foot = hip * [1, 0, 1] + np.array([0, 0, stride[number] * 1.4])
        solids.append(tube([hip, knee, foot], [thick * 1.4, thick, thick * 0.9]))
    return solids


def _tail(rng: np.random.Generator, root: Array, girth: float) -> list[Solid]:
    length, angle = girth * rng.uniform(0.5, 2.5), np.radians(rng.uniform(-80, 50))
    middle = root + length / 2 * np.array([0, np.sin(angle), -np.cos(angle)])
    end = middle + length / 2 * np.array([0, np.sin(angle - 0.5), -np.cos(angle - 0.5)])
    return [tube([root, middle, end], girth * rng.uniform(0.08, 0.2), part=1)]
