"""From saliency to box, crop and mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.backbones.crop import (
    BACKDROP,
    MARGIN,
    box_around,
    cut,
    main_components,
    neutralise,
    squash,
)
from index.views import CROP_SIZE


def mask_of(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((CROP_SIZE, CROP_SIZE), bool)
    mask[rows, columns] = True
    return mask


def test_the_box_is_square_centred_and_has_its_margin() -> None:
    box = box_around(mask_of(slice(56, 112), slice(112, 168)), (448, 224))
    assert box[2] - box[0] == pytest.approx(box[3] - box[1])
    assert box[2] - box[0] == pytest.approx(MARGIN * 112)
    assert ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) == pytest.approx((280, 84))


def test_a_box_may_reach_beyond_the_image() -> None:
    box = box_around(mask_of(slice(0, 200), slice(0, 40)), (224, 224))
    assert box[0] < 0 and box[1] < 0


def test_small_components_are_dropped_and_comparable_ones_kept() -> None:
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:25, 5:25] = True
    mask[40:50, 40:50] = True
    mask[0:2, 58:60] = True
    kept = main_components(mask)
    assert kept[10, 10] and kept[45, 45] and not kept[0, 59]
    assert np.array_equal(main_components(kept), kept)


def test_cut_copies_pixels_one_to_one_where_scales_agree() -> None:
    image = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    crop = cut(image, (50.0, 100.0, 50.0 + CROP_SIZE, 100.0 + CROP_SIZE), BACKDROP)
    assert np.array_equal(crop, image[100 : 100 + CROP_SIZE, 50 : 50 + CROP_SIZE])


def test_cut_fills_what_lies_beyond_the_image() -> None:
    crop = cut(np.full((100, 100, 3), 7, np.uint8), (-100.0, 0.0, 100.0, 200.0), BACKDROP)
    assert (crop[: CROP_SIZE // 2 - 2, CROP_SIZE // 2 + 2 :] == 7).all()
    assert (crop[:, : CROP_SIZE // 2 - 2] == BACKDROP).all()
    assert (crop[CROP_SIZE // 2 + 2 :] == BACKDROP).all()


def test_neutralise_touches_the_background_only() -> None:
    crops = np.random.default_rng(1).integers(0, 100, (2, 8, 8, 3), dtype=np.uint8)
    masks = np.random.default_rng(2).random((2, 8, 8)) > 0.5
    neutral = neutralise(crops, masks)
    assert np.array_equal(neutral[masks], crops[masks])
    assert (neutral[~masks] == BACKDROP).all()


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    corner=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    side=st.floats(1, 900),
)
@settings(max_examples=60, deadline=None)
def test_any_box_gives_a_full_crop(width: int, height: int, corner: tuple[float, float], side: float) -> None:
    image = np.full((height, width, 3), 9, dtype=np.uint8)
    crop = cut(image, (corner[0], corner[1], corner[0] + side, corner[1] + side), BACKDROP)
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert crop.min() >= 9 and crop.max() <= BACKDROP


def test_squash_fills_the_square_with_the_whole_image() -> None:
    image = np.zeros((50, 400, 3), dtype=np.uint8)
    image[:, 200:] = 200
    squashed = squash(image, 140)
    assert squashed.shape == (140, 140, 3)
    assert (squashed[:, :68] == 0).all() and (squashed[:, 72:] == 200).all()
