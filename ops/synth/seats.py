"""Chairs of several kinds, drawn at random; their fronts face +z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Solid, arc, beam, box, cushion, cylinder, lathe, raised, tilt, tube


def four_leg_chair(rng: np.random.Generator) -> list[Solid]:
    """Dining chair with a slatted, laddered or solid back."""
    width, depth = rng.uniform(0.40, 0.55), rng.uniform(0.40, 0.52)
    seat, back = rng.uniform(0.42, 0.52), rng.uniform(0.40, 0.75)
    solids = [box((width, 0.05, depth), (0, seat, 0), part=1)]
    solids += _legs(width, depth, seat - 0.02, rng.uniform(0.025, 0.05), rng.uniform(0, 0.06))
    lean, rear = rng.uniform(0.03, 0.16), -depth / 2 + 0.025
    return solids + _back(rng, width, seat, back, rear, lean)


def armchair(rng: np.random.Generator) -> list[Solid]:
    """Upholstered armchair on short feet, with thick arms."""
    width, depth, seat = rng.uniform(0.75, 1.15), rng.uniform(0.7, 0.85), rng.uniform(0.36, 0.44)
    arm, back = rng.uniform(0.14, 0.22), rng.uniform(0.42, 0.62)
    solids = [box((width, 0.2, depth), (0, seat - 0.2, 0))]
    solids.append(cushion((width - 2 * arm + 0.02, 0.17, depth - 0.14), (0, seat - 0.03, 0.08), part=1))
    for side in (-1, 1):
        place = (side * (width - arm) / 2, seat - 0.03, 0.02)
        solids.append(cushion((arm, 0.48, depth), place, sharpness=0.3))
    middle = (0, seat + back / 2 - 0.1, -depth / 2 + 0.1)
    rest = cushion((width - 0.04, back + 0.25, 0.2), middle, sharpness=0.3)
    solids.append(tilt(rest, rng.uniform(-14, -4), (0, seat - 0.2, -depth / 2)))
    feet = _legs(width - 0.06, depth - 0.06, seat - 0.29, 0.06, 0.0)
    return solids + [Solid(foot.vertices, foot.faces, 2) for foot in feet]


def stool_with_back(rng: np.random.Generator) -> list[Solid]:
    """Bar stool: long splayed legs, a round seat, a foot ring and a low curved back rest."""
    radius, seat, splay = rng.uniform(0.17, 0.22), rng.uniform(0.72, 0.9), rng.uniform(0.04, 0.12)
    solids = [cylinder(radius, 0.06, (0, seat, 0), part=1)]
    for angle in np.radians([45, 135, 225, 315]):
        spread = np.array([np.sin(angle), 0, np.cos(angle)])
        foot, top = spread * (radius + splay), raised(spread * radius * 0.75, seat)
        solids.append(tube([foot, top], 0.018))
    ring = radius + splay * 0.7
    solids.append(tube(arc((0, seat * 0.3, 0), ring - 0.02, 0, 360, "xz", 24), 0.012))
    height = rng.uniform(0.18, 0.32)
    for angle in (225, 315):
        base = np.array([np.cos(np.radians(angle)), 0, np.sin(np.radians(angle))]) * radius * 0.95
        solids.append(tube([raised(base, seat), raised(base * 1.08, seat + height)], 0.014))
    for lift in (height, height * 0.62):
        solids.append(tube(arc((0, seat + lift, 0), radius * 1.05, 190, 350, "xz"), 0.03, part=1))
    return solids


def office_chair(rng: np.random.Generator) -> list[Solid]:
    """Swivel chair: five-star base on castors, column, padded seat and back, arm rests."""
    seat, width, back = rng.uniform(0.46, 0.56), rng.uniform(0.46, 0.54), rng.uniform(0.4, 0.65)
    solids = [tube([(0, 0.08, 0), (0, seat, 0)], 0.03), cylinder(0.05, 0.07, (0, 0.1, 0))]
    for angle in np.radians(np.arange(5) * 72 + 36):
        end = np.array([np.sin(angle), 0, np.cos(angle)]) * 0.3
        solids.append(tube([raised(end * 0, 0.11), raised(end, 0.075)], [0.03, 0.018]))
        solids.append(cushion((0.06, 0.07, 0.06), raised(end, 0.035), sharpness=1.0, steps=6))
    solids.append(cushion((width, 0.11, width), (0, seat, 0), part=1))
    rest = cushion((width * 0.92, back, 0.09), (0, seat + 0.14 + back / 2, -width / 2), part=1)
    solids.append(tilt(rest, -8, (0, seat, -width / 2)))
    rear = -width / 2 - 0.03
    solids.append(tube([(0, seat - 0.05, 0), (0, seat - 0.04, rear), (0, seat + 0.3, rear - 0.03)], 0.025))
    for side in (-1, 1):
        x = side * (width / 2 + 0.03)
        solids.append(tube([(side * 0.1, seat - 0.04, 0), (x, seat - 0.03, 0), (x, seat + 0.2, 0)], 0.018))
        solids.append(box((0.06, 0.03, 0.26), (x, seat + 0.21, 0.02)))
    return solids


def rocking_chair(rng: np.random.Generator) -> list[Solid]:
    """Chair with arms on two curved runners and a high spindle back."""
    width, depth, seat = rng.uniform(0.48, 0.58), 0.48, rng.uniform(0.40, 0.46)
    back, sweep = rng.uniform(0.6, 0.8), rng.uniform(0.75, 0.95)
    solids = [box((width, 0.045, depth), (0, seat, 0), part=1)]
    for side in (-1, 1):
        x = side * (width / 2 - 0.03)
        solids.append(tube(arc((x, sweep + 0.02, 0), sweep, 230, 312, "zy"), 0.025))
        for z, top in ((-depth / 2 + 0.03, seat), (depth / 2 - 0.03, seat + 0.22)):
            foot = sweep + 0.02 - np.sqrt(sweep**2 - z**2)
            solids.append(tube([(x, foot, z), (x, top, z)], 0.02))
        solids.append(box((0.06, 0.03, depth + 0.04), (x, seat + 0.23, 0.02)))
    rear = -depth / 2 + 0.02
    for x in np.linspace(-width / 2 + 0.03, width / 2 - 0.03, 7):
        solids.append(tube([(x, seat, rear), (x, seat + back, rear - 0.14)], 0.013))
    solids.append(box((width, 0.1, 0.04), (0, seat + back, rear - 0.14), part=1))
    return solids


def shell_chair(rng: np.random.Generator) -> list[Solid]:
    """Pedestal chair: a trumpet foot, a round seat and a tall rounded shell behind it."""
    seat, radius, back = rng.uniform(0.4, 0.46), rng.uniform(0.23, 0.28), rng.uniform(0.36, 0.48)
    foot = [(0, 0), (0.24, 0), (0.23, 0.02), (0.06, 0.07), (0.03, 0.2), (0.05, seat - 0.04), (0, seat - 0.03)]
    pan = [(0, -0.05), (radius * 0.7, -0.04), (radius, 0.02), (0, 0.04)]
    solids = [lathe(foot), lathe(pan, (0, seat, 0), part=1)]
    for level, angle in zip(np.linspace(0.02, back, 7), np.linspace(95, 40, 7), strict=True):
        bend = arc((0, seat + level, -level * 0.15), radius, 270 - angle, 270 + angle, "xz")
        solids.append(tube(bend, back / 11))
    return solids


def _legs(width: float, depth: float, height: float, thick: float, splay: float) -> list[Solid]:
    solids = []
    for x in (-1, 1):
        for z in (-1, 1):
            top = np.array([x * (width - thick) / 2, height, z * (depth - thick) / 2])
            foot = top * [1, 0, 1] + [x * splay, 0, z * splay]
            solids.append(beam(foot, top, (thick * 0.8, thick * 0.8), (thick, thick)))
    return solids


def _back(rng: np.random.Generator, width: float, seat: float, height: float, rear: float, lean: float) -> list[Solid]:
    """Two posts with a slatted, laddered or solid filling between them."""
    style, half, top = rng.integers(3), width / 2 - 0.02, seat + height
    solids = [beam((s * half, seat, rear), (s * half, top, rear - lean), (0.04, 0.04)) for s in (-1, 1)]
    if style == 0:
        for x in np.linspace(-half, half, int(rng.integers(4, 7)))[1:-1]:
            solids.append(beam((x, seat, rear), (x, top, rear - lean), (0.025, 0.02)))
        solids.append(box((width, 0.08, 0.035), (0, top, rear - lean)))
    elif style == 1:
        for level in np.linspace(0.35, 1, int(rng.integers(2, 4))):
            solids.append(box((width, 0.09, 0.025), (0, seat + level * height, rear - level * lean), part=1))
    else:
        bottom = seat + rng.uniform(0.02, 0.2)
        start = rear - lean * (bottom - seat) / height
        solids.append(beam((0, bottom, start), (0, top, rear - lean), (width - 0.05, 0.025), part=1))
    return solids
