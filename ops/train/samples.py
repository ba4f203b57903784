"""What the head learns from: pictures, their foreground, and the tokens the frozen ViT makes of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from index.backbones.base import BATCH_SIZE, COARSE_GRID
from index.backbones.crop import BACKDROP, Box, cut, squash
from index.views import CROP_SIZE, ObjectView
from ops.bench.masks import uncrop
from ops.synth.assembly import assembly
from ops.synth.backdrop import random_backdrop
from ops.synth.render import photograph
from ops.synth.shapes import KINDS, Shape, assemble
from ops.train.photos import PhotoBackdrop, Picture
from ops.train.teacher import Teacher

Mask = NDArray[np.bool_]
Scene = tuple[Picture, Mask]

CATALOGUE_SHARE = 0.55
"""How many scenes show an object of the catalogue; the others show an assembly of no kind."""

EMPTY_SHARE = 0.06
"""How many scenes show a drawn backdrop and nothing before it: there the head has to find nothing."""

JPEG_SHARE, JPEG_QUALITY = 0.7, (60, 95)
SCENE_SIZE = 256
MIN_SHARE = 0.01
MARGINS, JITTER = (1.05, 1.6), 0.06
"""Side of a close-up over the longer side of the object, and how far off: the first look finds it only roughly."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Training samples of one picture size.

    Attributes:
        images: ``(N, S, S, 3)`` uint8.
        masks: ``(N, S, S)`` uint8, 255 where foreground.
        tokens: ``(N, L, C, G, G)`` float16.
        weight: of their loss.
    """

    images: Tensor
    masks: Tensor
    tokens: Tensor
    weight: float

    def __len__(self) -> int:
        return len(self.images)


def render_scenes(
    count: int, photos: Sequence[Picture], seed: int, tick: Callable[[], None] = lambda: None
) -> Iterator[Scene]:
    """Random objects before random backdrops, some backdrops alone, with their true masks.

    Args:
        count: number of scenes.
        photos: for the backdrops.
        seed: draws everything.
        tick: told of each scene.
    """
    rng, backdrop = np.random.default_rng(seed), PhotoBackdrop(photos)
    for _ in range(count):
        image, mask = _empty(rng) if rng.random() < EMPTY_SHARE else _occupied(rng, backdrop)
        tick()
        yield compressed(image, rng), mask


def procedural_samples(teacher: Teacher, scenes: Iterable[Scene], seed: int) -> list[Samples]:
    """Each scene as the first look sees it, squashed whole, and as the second does, close up."""
    rng = np.random.default_rng((seed, 1))
    wholes, closeups = [], []
    for image, mask in scenes:
        wholes.append(_whole(image, mask))
        box = rough_box(mask, rng, MARGINS, JITTER)
        closeups.append((cut(image, box, BACKDROP), cut_mask(mask, box)))
    return [_samples(teacher, pairs, 1.0) for pairs in (wholes, closeups)]


def photo_samples(teacher: Teacher, photos: Sequence[Picture], weight: float) -> list[Samples]:
    """Real photos with the teacher's masks, whole and close up; photos without an object are left out."""
    wholes, closeups = [], []
    for start in range(0, len(photos), BATCH_SIZE):
        batch = photos[start : start + BATCH_SIZE]
        for image, view in zip(batch, teacher.embed(batch), strict=True):
            if isinstance(view, ObjectView):
                wholes.append(_whole(image, uncrop(view.mask, view.box, view.image_size)))
                closeups.append((view.crop, view.mask * np.uint8(255)))
    return [_samples(teacher, pairs, weight) for pairs in (wholes, closeups) if pairs]


def _occupied(rng: np.random.Generator, backdrop: PhotoBackdrop) -> Scene:
    while True:
        photo = photograph(_random_shape(rng), rng, SCENE_SIZE, backdrop)
        if photo.mask.mean() >= MIN_SHARE:
            return photo.image, photo.mask


def _empty(rng: np.random.Generator) -> Scene:
    """A drawn backdrop, or a single tone; photos would not do, for they show things."""
    picture = random_backdrop(rng, SCENE_SIZE)[1]
    if rng.random() < 0.3:
        picture = np.broadcast_to(picture[0, 0], picture.shape)
    return (picture * 255).astype(np.uint8), np.zeros((SCENE_SIZE, SCENE_SIZE), dtype=bool)


def _random_shape(rng: np.random.Generator) -> Shape:
    if rng.random() < CATALOGUE_SHARE:
        category, maker = KINDS[int(rng.integers(len(KINDS)))]
        return assemble("catalogue", category, maker(rng))
    return assemble("assembly", "assembly", assembly(rng))


def compressed(image: Picture, rng: np.random.Generator) -> Picture:
    """The picture after JPEG compression, as most of the web's have gone through."""
    if rng.random() >= JPEG_SHARE:
        return image
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)))
    return np.asarray(Image.open(buffer, formats=("JPEG", "PNG")))


def _whole(image: Picture, mask: Mask) -> tuple[Picture, Picture]:
    size = COARSE_GRID * (CROP_SIZE // Teacher.grid)
    grey = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    return squash(image, size), squash(grey, size)[..., 0]


def rough_box(mask: Mask, rng: np.random.Generator, margins: tuple[float, float], jitter: float) -> Box:
    """A square around the object as a detector might give it.

    Args:
        mask: ``(H, W)``; if it is empty, the square is the picture's.
        rng: draws size and place.
        margins: least and largest side over the object's longer side.
        jitter: standard deviation of its place over that side.
    """
    seen = mask if mask.any() else np.ones_like(mask)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    side = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    half = rng.uniform(*margins) * side / 2
    x = (columns[0] + columns[-1] + 1) / 2 + rng.normal(0, jitter) * side
    y = (rows[0] + rows[-1] + 1) / 2 + rng.normal(0, jitter) * side
    return float(x - half), float(y - half), float(x + half), float(y + half)


def cut_mask(mask: Mask, box: Box) -> Picture:
    """The mask's part in a box ``(CROP_SIZE, CROP_SIZE)``, 255 where foreground."""
    soft = cut(mask.astype(np.float32), box, 0.0)
    levels: Picture = (soft * 255).astype(np.uint8)
    return levels


def _samples(teacher: Teacher, pairs: Sequence[tuple[Picture, Picture]], weight: float) -> Samples:
    images = torch.from_numpy(np.stack([image for image, _ in pairs]))
    masks = torch.from_numpy(np.stack([mask for _, mask in pairs]))
    tokens = torch.cat([teacher.tokens(part) for part in torch.split(images, BATCH_SIZE)])
    return Samples(images, masks, tokens, weight)
