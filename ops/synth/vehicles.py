"""Road vehicles and aircraft, drawn at random; they drive and fly towards +z."""

from __future__ import annotations

import numpy as np

from ops.synth.primitives import Array, Solid, arc, beam, box, cushion, cylinder, lathe, tilt, tube


def car(rng: np.random.Generator) -> list[Solid]:
    """Body, a cabin that may sit forward or back, bumpers, lamps and four wheels."""
    length, width, body = rng.uniform(1.3, 2.2), rng.uniform(0.6, 0.85), rng.uniform(0.22, 0.4)
    radius = rng.uniform(0.13, 0.22)
    floor = radius * rng.uniform(0.8, 1.4)
    sharpness, middle = rng.uniform(0.2, 0.6), floor + body / 2
    solids = [cushion((width, body, length), (0, middle, 0), sharpness=sharpness)]
    cabin, place = length * rng.uniform(0.35, 0.75), rng.uniform(-0.25, 0.05) * length
    roof = rng.uniform(0.2, 0.4)
    top = floor + body + roof
    solids.append(
        beam(
            (0, floor + body * 0.8, place),
            (0, top, place - rng.uniform(0, 0.06)),
            (width * 0.94, cabin),
            (width * rng.uniform(0.65, 0.9), cabin * rng.uniform(0.5, 0.9)),
            part=1,
        )
    )
    solids += _wheels(width, length * rng.uniform(0.28, 0.36), radius)
    for side in (-1, 1):
        front = (side * width * 0.34, middle + 0.03, length / 2 - 0.03)
        solids.append(cushion((0.14, 0.09, 0.09), front, part=2, sharpness=0.9, steps=6))
    if rng.random() < 0.4:
        solids.append(box((width * 0.9, 0.03, 0.12), (0, floor + body + 0.12, -length / 2 + 0.05)))
    return solids


def truck(rng: np.random.Generator) -> list[Solid]:
    """A cab before a load: a box, an open bed or a tank."""
    length, width, radius = rng.uniform(1.6, 2.6), rng.uniform(0.6, 0.8), rng.uniform(0.13, 0.2)
    cab, floor = rng.uniform(0.35, 0.55), radius * 1.4
    solids = [box((width * 0.9, 0.1, length), (0, floor, 0), part=2)]
    height = rng.uniform(0.5, 0.7)
    solids.append(cushion((width, height, cab), (0, floor + height / 2, length / 2 - cab / 2), sharpness=0.25))
    solids.append(box((width * 0.85, height * 0.35, 0.03), (0, floor + height * 0.7, length / 2 - 0.01), part=2))
    load, tall, kind = length - cab - 0.05, rng.uniform(0.2, 0.9), rng.integers(3)
    middle = -length / 2 + load / 2
    if kind == 0:
        solids.append(box((width, tall, load), (0, floor + tall / 2, middle), part=1))
    elif kind == 1:
        for side in (-1, 1):
            solids.append(box((0.04, tall / 2, load), (side * width / 2, floor + tall / 4, middle), part=1))
        solids.append(box((width, tall / 2, 0.04), (0, floor + tall / 4, -length / 2), part=1))
    else:
        tank = lathe([(0, -load / 2), (width / 2, -load / 2), (width / 2, load / 2), (0, load / 2)], part=1)
        solids.append(tilt(tank, 90))
        solids[-1].vertices[:] += [0, floor + width / 2, middle]
    return solids + _wheels(width, length * 0.34, radius)


def aeroplane(rng: np.random.Generator) -> list[Solid]:
    """Fuselage, wings swept back, tail plane and fin."""
    length, girth = rng.uniform(1.4, 2.4), rng.uniform(0.1, 0.2)
    along = np.linspace(-length / 2, length / 2, 7)
    hull = np.array([0.25, 0.6, 0.95, 1, 1, 0.9, 0.3]) * girth
    body = lathe(np.stack([[0, *hull, 0], [along[0], *along, along[-1]]], axis=1))
    solids = [tilt(body, 90)]
    span, sweep, rise = rng.uniform(0.6, 1.2), rng.uniform(0, 0.6), rng.uniform(-0.05, 0.15)
    for side in (-1, 1):
        root, tip = np.array([0, 0, 0.15]), np.array([side * span, rise, 0.15 - sweep])
        solids.append(_flat(root, tip, 0.22, 0.1))
        end = np.array([side * span * 0.35, rise, -length / 2 - sweep * 0.2])
        solids.append(_flat(np.array([0, 0, -length / 2 + 0.12]), end, 0.12, 0.06))
    fin = rng.uniform(0.25, 0.45)
    solids.append(beam((0, 0, -length / 2 + 0.15), (0, fin, -length / 2), (0.03, 0.25), (0.02, 0.12), part=1))
    return solids


def two_wheeler(rng: np.random.Generator) -> list[Solid]:
    """Bicycle or motorbike: two wheels in line, a frame, a saddle and handle bars."""
    radius, base = rng.uniform(0.25, 0.4), rng.uniform(0.9, 1.3)
    rim, motor = rng.uniform(0.015, 0.08), rng.random() < 0.5
    solids = [tube(arc((0, radius, z), radius, 0, 360, "zy", 24), rim, part=2) for z in (-base / 2, base / 2)]
    seat, head = np.array([0, radius * 2.2, -base * 0.2]), np.array([0, radius * 2.4, base * 0.3])
    rear, front = np.array([0, radius, -base / 2]), np.array([0, radius, base / 2])
    crank = np.array([0, radius * 0.9, -base * 0.05])
    thick = 0.05 if motor else 0.025
    for path in (
        (seat, crank, head),
        (seat, rear),
        (rear, crank),
        (seat * [1, 0.92, 1], head),
        (head * [1, 1.15, 1], front),
    ):
        solids.append(tube(np.array(path), thick))
    solids.append(
        cushion((0.16, 0.07, 0.5 if motor else 0.28), seat + np.array([0, 0.05, -0.02]), part=1, sharpness=0.6)
    )
    bar, grip = rng.uniform(0.2, 0.35), head * [1, 1.18, 1]
    for side in (-1, 1):
        solids.append(
            tube([grip, grip + np.array([side * bar, rng.uniform(0, 0.1), -rng.uniform(0, 0.2)])], 0.02, part=2)
        )
    if motor:
        solids.append(cushion((0.25, 0.3, 0.4), crank + np.array([0, 0.05, 0.05]), part=2, sharpness=0.5))
        solids.append(cushion((0.22, 0.2, 0.45), (seat + head) / 2 + np.array([0, 0.05, 0]), sharpness=0.7))
    return solids


def boat(rng: np.random.Generator) -> list[Solid]:
    """A hull pointed at the bow, with a cabin, funnels or a mast with a sail."""
    length, width, height = rng.uniform(1.3, 2.4), rng.uniform(0.35, 0.6), rng.uniform(0.15, 0.35)
    keel = rng.uniform(0.3, 0.8)
    hull = beam((0, 0, 0), (0, height, 0), (width * keel, length * 0.85), (width, length))
    bow = hull.vertices[:, 2] > 0
    hull.vertices[bow, 0] *= 0.08
    solids = [hull]
    kind = rng.integers(3)
    if kind == 0:
        mast, place = rng.uniform(1.0, 1.8), rng.uniform(-0.1, 0.25) * length
        solids.append(tube([(0, height, place), (0, height + mast, place)], 0.02, part=2))
        sail = beam(
            (0, height + 0.15, place - length * 0.22), (0, height + mast, place), (0.02, length * 0.42), (0.02, 0.03)
        )
        solids.append(Solid(sail.vertices, sail.faces, 1))
    else:
        cabin = length * rng.uniform(0.3, 0.6)
        solids.append(box((width * 0.7, 0.18, cabin), (0, height + 0.09, -length * 0.1), part=1))
        solids.append(box((width * 0.6, 0.14, cabin * 0.5), (0, height + 0.25, -length * 0.02), part=1))
        for z in np.linspace(-0.25, 0.05, int(kind)) * length:
            solids.append(tube([(0, height + 0.2, z), (0, height + 0.6, z - 0.03)], 0.06, part=2))
    return solids


def _flat(root: Array, tip: Array, chord: float, end: float) -> Solid:
    """A wing: a tube from root to tip, pressed flat."""
    wing = tube([root, tip], [chord, end], part=1)
    middle = np.linspace(root[1], tip[1], 2).mean()
    wing.vertices[:, 1] = middle + (wing.vertices[:, 1] - middle) * 0.15
    return wing


def _wheels(width: float, axle: float, radius: float) -> list[Solid]:
    solids = []
    for x in (-1, 1):
        for z in (-1, 1):
            wheel = cylinder(radius, 0.1, (0, 0, 0), part=2)
            turned = wheel.vertices[:, [1, 0, 2]] * [1, -1, 1]
            solids.append(Solid(turned + np.array([x * width * 0.46, radius, z * axle]), wheel.faces, 2))
    return solids
