"""Pictures of procedural things that have a front, each with the side it is seen from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from index.backbones.base import BATCH_SIZE, Backbone
from index.backbones.crop import BACKDROP, cut
from index.backbones.viewpoint import pool
from ops.synth import animals, bodies, gadgets, vehicles
from ops.synth.backdrop import Backdrop, random_backdrop
from ops.synth.render import photograph
from ops.synth.shapes import KINDS, Maker, Shape, assemble
from ops.train.photos import PhotoBackdrop, Picture
from ops.train.samples import Mask, cut_mask, rough_box

FAMILIES: tuple[tuple[float, tuple[Maker, ...]], ...] = (
    (22, tuple(maker for kind, maker in KINDS if kind == "chair")),
    (8, tuple(maker for kind, maker in KINDS if kind == "table")),
    (6, tuple(maker for kind, maker in KINDS if kind in ("lamp", "mug"))),
    (9, (bodies.sofa,)),
    (6, (bodies.bed,)),
    (7, (bodies.shelf, bodies.chest)),
    (14, (vehicles.car, vehicles.car, vehicles.truck)),
    (12, (vehicles.aeroplane, vehicles.two_wheeler, vehicles.boat)),
    (11, (animals.quadruped,)),
    (8, (animals.biped, animals.bird)),
    (9, (gadgets.screen, gadgets.camera, gadgets.clock, gadgets.piano, gadgets.watering_can)),
)
"""Makers and how often, in percent and more, they are drawn."""

STRETCH = 0.12
"""Spread of the logarithms by which a thing is stretched along its axes."""

SCENE_SIZE = 192
MARGINS, JITTER = (1.1, 1.35), 0.03
"""Side of a crop over the longer side of its object, and how far off its centre: crops of the stream have 1.2."""

SPOILT_SHARE = 0.3
"""How many masks have a piece bitten out of them or stuck to them."""

MIN_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class FrontPhoto:
    """One crop with its truth.

    Attributes:
        crop: ``(CROP_SIZE, CROP_SIZE, 3)`` uint8 RGB.
        mask: ``(CROP_SIZE, CROP_SIZE)`` bool, nearly true.
        azimuth: degrees, 0 sees the front.
        elevation: degrees.
    """

    crop: Picture
    mask: Mask
    azimuth: float
    elevation: float


@dataclass(frozen=True, slots=True)
class Fronts:
    """Training samples of the viewpoint head.

    Attributes:
        tokens: ``(N, 64, C)`` float16.
        outline: ``(N, 64, 4)`` float16.
        azimuth: ``(N,)`` float32 degrees.
        elevation: ``(N,)`` float32 degrees.
    """

    tokens: Tensor
    outline: Tensor
    azimuth: Tensor
    elevation: Tensor

    def __len__(self) -> int:
        return len(self.azimuth)


def front_samples(
    backbone: Backbone, photos: Sequence[Picture], count: int, seed: int, tick: Callable[[], None] = lambda: None
) -> Fronts:
    """One view each of ``count`` random things.

    Args:
        backbone: whose patch features the head will read.
        photos: for the backdrops.
        count: things to draw.
        seed: draws everything.
        tick: told of each thing.
    """
    rng, backdrop = np.random.default_rng((seed, 2)), PhotoBackdrop(photos)
    tokens, outlines, angles = [], [], []
    for start in range(0, count, BATCH_SIZE):
        batch = []
        for _ in range(min(BATCH_SIZE, count - start)):
            batch.append(photo_of(random_thing(rng), rng, backdrop))
            tick()
        features = torch.from_numpy(backbone.patches(np.stack([photo.crop for photo in batch])))
        read, outline = pool(features, torch.from_numpy(np.stack([photo.mask for photo in batch])))
        tokens.append(read.half())
        outlines.append(outline.half())
        angles += [(photo.azimuth, photo.elevation) for photo in batch]
    azimuth, elevation = torch.tensor(angles, dtype=torch.float32).unbind(1)
    return Fronts(torch.cat(tokens), torch.cat(outlines), azimuth, elevation)


def random_thing(rng: np.random.Generator) -> Shape:
    """A thing of a random family, stretched a little."""
    shares = np.array([share for share, _ in FAMILIES])
    makers = FAMILIES[int(rng.choice(len(FAMILIES), p=shares / shares.sum()))][1]
    solids = makers[int(rng.integers(len(makers)))](rng)
    stretch = np.exp(rng.normal(0, STRETCH, 3))
    return assemble("thing", "thing", [replace(solid, vertices=solid.vertices * stretch) for solid in solids])


def photo_of(shape: Shape, rng: np.random.Generator, backdrop: Backdrop = random_backdrop) -> FrontPhoto:
    """A photo of a thing, cut around it as the stream would."""
    while True:
        photo = photograph(shape, rng, SCENE_SIZE, backdrop)
        if photo.mask.mean() >= MIN_SHARE:
            break
    box = rough_box(photo.mask, rng, MARGINS, JITTER)
    mask: Mask = cut_mask(photo.mask, box) > 127
    mask = _spoilt(mask, rng) if rng.random() < SPOILT_SHARE else mask
    return FrontPhoto(cut(photo.image, box, BACKDROP), mask, photo.camera.azimuth, photo.camera.elevation)


def _spoilt(mask: Mask, rng: np.random.Generator) -> Mask:
    rows, columns = np.mgrid[: len(mask), : len(mask)]
    (y, x), radius = rng.uniform(0.1, 0.9, 2) * len(mask), rng.uniform(0.03, 0.1) * len(mask)
    disc = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    spoilt: Mask = mask | disc if rng.random() < 0.5 else mask & ~disc
    return spoilt
