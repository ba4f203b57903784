"""What signatures survive, and what they tell apart, on procedural pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from index.stream.signature import BITS, LEAST_ALIKE, MOST_APART, THUMBNAIL, alike, apart, sign
from tests.tars import jpeg

SCENES = [np.asarray(Image.open(io.BytesIO(jpeg(seed, (240, 180))))) for seed in range(24)]


def encoded(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer, formats=("JPEG",)).convert("RGB")


def is_copy(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    first, second = sign(one), sign(other)
    assert first is not None and second is not None
    near = apart(first.bits, second.bits) <= MOST_APART
    return near and alike(first.thumbnail, second.thumbnail) >= LEAST_ALIKE


KEPT: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded anew": lambda picture: encoded(picture, 30),
    "half as large": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "twice as large": lambda picture: picture.resize((picture.width * 2, picture.height * 2)),
    "without colours": lambda picture: picture.convert("L").convert("RGB"),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "of more contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.15),
}


@pytest.mark.parametrize("name", KEPT)
def test_copies_are_told(name: str) -> None:
    copies = [np.asarray(KEPT[name](Image.fromarray(picture))) for picture in SCENES]
    told = sum(is_copy(picture, copy) for picture, copy in zip(SCENES, copies, strict=True))
    assert told >= 23, f"{told} of {len(SCENES)}"


def test_other_pictures_and_mirror_images_are_none() -> None:
    for place, picture in enumerate(SCENES):
        assert not is_copy(picture, np.ascontiguousarray(picture[:, ::-1]))
        assert not any(is_copy(picture, other) for other in SCENES[:place])


def test_a_signature_has_its_size_and_is_always_the_same() -> None:
    first, again = sign(SCENES[0]), sign(SCENES[0].copy())
    assert first is not None and first == again
    assert 0 <= first.bits < 2**BITS and len(first.thumbnail) == THUMBNAIL**2
    assert alike(first.thumbnail, first.thumbnail) == pytest.approx(1.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (64, 48)])
def test_what_shows_nothing_has_none(size: tuple[int, int]) -> None:
    assert sign(np.full((*size, 3), 130, np.uint8)) is None
