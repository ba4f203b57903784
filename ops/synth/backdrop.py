"""What stands behind the object: a plain wall, an out-of-focus scene or clutter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ops.synth.primitives import Array
from ops.synth.texture import noise, random_colour

BACKDROPS = ("plain", "blurred", "clutter")
SHARES = (0.46, 0.29, 0.25)
"""How often each occurs, as in the furniture development data."""

Backdrop = Callable[[np.random.Generator, int], tuple[str, Array]]
"""Draws the name of a backdrop and its picture ``(size, size, 3)`` float64 in [0, 1]."""


def random_backdrop(rng: np.random.Generator, size: int) -> tuple[str, Array]:
    """Name of a backdrop and its picture ``(size, size, 3)`` float64 in [0, 1]."""
    name = str(rng.choice(BACKDROPS, p=SHARES))
    makers = {"plain": _plain, "blurred": _blurred, "clutter": _clutter}
    return name, np.clip(makers[name](rng, size), 0, 1)


def _plain(rng: np.random.Generator, size: int) -> Array:
    """Light wall with a gradient and a faint vignette."""
    top, bottom = (1 - (1 - random_colour(rng)) * rng.uniform(0.05, 0.35) for _ in range(2))
    down = np.linspace(0, 1, size)[:, None, None]
    across = np.linspace(-1, 1, size)
    vignette = 1 - rng.uniform(0, 0.12) * (across[None, :] ** 2 + across[:, None] ** 2)
    wall: Array = (top * (1 - down) + bottom * down) * np.ones((size, size, 3)) * vignette[..., None]
    return wall


def _blurred(rng: np.random.Generator, size: int) -> Array:
    radius = rng.uniform(5, 12) * size / 256
    scene = _scene(rng, size, int(rng.integers(8, 20)), 0.25).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(scene, dtype=float) / 255


def _clutter(rng: np.random.Generator, size: int) -> Array:
    """Sharp and busy, but of lower contrast than what stands before it."""
    scene = _scene(rng, size, int(rng.integers(30, 70)), 0.14).filter(ImageFilter.GaussianBlur(0.6))
    picture, grain = np.asarray(scene, dtype=float) / 255, noise(rng, size, 16, 5)[..., None] - 0.5
    mean, contrast = picture.mean((0, 1)), rng.uniform(0.4, 0.8)
    muted: Array = mean + contrast * (picture - mean) + 0.15 * grain
    return muted


def _scene(rng: np.random.Generator, size: int, items: int, extent: float) -> Image.Image:
    """A two-tone field strewn with rectangles, ellipses, polygons and lines up to ``extent`` of the side."""
    field = noise(rng, size, 2, 3)[..., None]
    tones = random_colour(rng) * field + random_colour(rng) * (1 - field)
    picture = Image.fromarray((tones * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(items):
        _item(rng, draw, size, extent * size)
    return picture


def _item(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: int, largest: float) -> None:
    colour = tuple(int(c) for c in random_colour(rng) * 255)
    middle, extent = rng.uniform(0, size, 2), rng.uniform(0.16, 1, 2) * largest
    bounds = [*(middle - extent), *(middle + extent)]
    kind = int(rng.integers(4))
    if kind == 0:
        draw.rectangle(bounds, fill=colour)
    elif kind == 1:
        draw.ellipse(bounds, fill=colour)
    elif kind == 2:
        corners = middle + rng.normal(0, 1, (int(rng.integers(3, 6)), 2)) * extent
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=colour)
    else:
        draw.line(bounds, fill=colour, width=int(rng.integers(1, 10)))
