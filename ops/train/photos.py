"""Ordinary photos out of shards: backdrops to put objects before, and scenes for the teacher to judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from index.stream.decode import decode_image
from index.stream.sources import expand
from index.stream.tar import read_samples
from ops.errors import RejectError, SourceError
from ops.synth.backdrop import random_backdrop
from ops.synth.primitives import Array

Picture = NDArray[np.uint8]

PROCEDURAL_SHARE, BLURRED_SHARE = 0.45, 0.2
"""How many backdrops are drawn, and how many are photos out of focus; the others are sharp photos."""

_MAX_SIDE = 512


def read_photos(patterns: Sequence[str]) -> list[Picture]:
    """All images ``(H, W, 3)`` of the shards that can be decoded.

    Raises:
        SourceError: a pattern matches nothing, or no image can be read.
    """
    shards, _ = expand(patterns)
    photos: list[Picture] = []
    for shard in shards:
        for sample in read_samples(shard):
            try:
                photos.append(decode_image(sample.image or b"", _MAX_SIDE)[0])
            except RejectError:
                continue
    if not photos:
        raise SourceError(f"{', '.join(patterns)}: no photo could be read")
    return photos


class PhotoBackdrop:
    """Draws backdrops: procedural ones, blurred photos and sharp photos.

    Args:
        photos: to cut backdrops from.
    """

    def __init__(self, photos: Sequence[Picture]) -> None:
        self._photos = photos

    def __call__(self, rng: np.random.Generator, size: int) -> tuple[str, Array]:
        """Name and picture ``(size, size, 3)`` in [0, 1] of a backdrop."""
        draw = rng.random()
        if draw < PROCEDURAL_SHARE:
            return random_backdrop(rng, size)
        photo, name = self._cutting(rng, size), "clutter"
        if draw < PROCEDURAL_SHARE + BLURRED_SHARE:
            photo, name = photo.filter(ImageFilter.GaussianBlur(rng.uniform(2, 10) * size / 256)), "blurred"
        return name, np.asarray(photo, dtype=float) / 255

    def _cutting(self, rng: np.random.Generator, size: int) -> Image.Image:
        photo = Image.fromarray(self._photos[int(rng.integers(len(self._photos)))])
        side = min(photo.size) * rng.uniform(0.6, 1.0)
        x, y = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
        cutting = photo.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + side, y + side))
        return cutting.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cutting
