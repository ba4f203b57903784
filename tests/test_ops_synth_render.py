from __future__ import annotations

import numpy as np
import pytest

from ops.synth.render import Photo, photograph
from ops.synth.shapes import Shape, make_shapes


@pytest.fixture(scope="module")
def chair() -> Shape:
    return make_shapes(1, 0)[0]


@pytest.fixture(scope="module")
def photos(chair: Shape) -> list[Photo]:
    return [photograph(chair, np.random.default_rng(seed), 96) for seed in range(12)]


def test_masks_lie_where_the_camera_says_the_object_is(chair: Shape, photos: list[Photo]) -> None:
    for photo in photos:
        points, _ = photo.camera.project(chair.vertices, 96)
        rows, columns = np.nonzero(photo.mask)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.allclose(seen, [*points.min(0), *points.max(0)], atol=2)


def test_photos_differ_from_seed_to_seed_and_repeat_with_one(chair: Shape, photos: list[Photo]) -> None:
    again = photograph(chair, np.random.default_rng(0), 96)
    assert np.array_equal(again.image, photos[0].image)
    assert not np.array_equal(photos[0].image, photos[1].image)
    assert {photo.background for photo in photos} >= {"plain", "clutter"}


def test_edges_are_antialiased(photos: list[Photo]) -> None:
    plain = next(photo for photo in photos if photo.background == "plain")
    levels = np.unique(plain.image.reshape(-1, 3), axis=0)
    assert plain.image.dtype == np.uint8
    assert len(levels) > 200


def test_the_object_stands_out_of_a_plain_backdrop(photos: list[Photo]) -> None:
    contrasts = [
        np.abs(photo.image[photo.mask].mean(0) - photo.image[~photo.mask].mean(0)).max()
        for photo in photos
        if photo.background == "plain"
    ]
    assert np.median(contrasts) > 30
