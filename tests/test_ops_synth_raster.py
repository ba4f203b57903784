from __future__ import annotations

import numpy as np

from ops.synth.raster import Fragments, rasterise

SQUARE = np.array([[2.0, 2.0], [2.0, 6.0], [6.0, 6.0], [6.0, 2.0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def _covered(found: Fragments, size: int) -> np.ndarray:
    image = np.zeros(size * size, dtype=bool)
    image[found.pixels] = True
    return image.reshape(size, size)


def test_a_square_covers_its_pixels_once() -> None:
    found = rasterise(SQUARE, np.ones(4), FACES, 8)
    expected = np.zeros((8, 8), dtype=bool)
    expected[2:6, 2:6] = True
    assert np.array_equal(_covered(found, 8), expected)
    assert len(found.pixels) == 16
    assert np.allclose(found.weights.sum(1), 1)


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    found = rasterise(SQUARE * 100 - 300, np.ones(4), FACES, 8)
    assert _covered(found, 8).all()
    assert not len(rasterise(SQUARE + 100, np.ones(4), FACES, 8).pixels)


def test_back_faces_are_culled_unless_asked_for() -> None:
    flipped = FACES[:, ::-1]
    assert not len(rasterise(SQUARE, np.ones(4), flipped, 8).pixels)
    assert len(rasterise(SQUARE, np.ones(4), flipped, 8, cull=False).pixels) == 16


def test_the_nearer_face_wins_in_either_order() -> None:
    points = np.concatenate([SQUARE, SQUARE])
    for near, expected in ((1.0, {0, 1}), (0.1, {2, 3})):
        nearness = np.array([near] * 4 + [0.5] * 4)
        found = rasterise(points, nearness, np.concatenate([FACES, FACES + 4]), 8)
        assert set(found.faces.tolist()) == expected


def test_weights_are_perspective_correct() -> None:
    depth = np.array([1.0, 1.0, 4.0, 4.0])
    found = rasterise(np.array([[0, 0], [0, 64], [64, 64], [64, 0.0]]), 1 / depth, FACES, 64)
    seen = np.einsum("nk,nk->n", found.weights, depth[FACES[found.faces]])
    share = (found.pixels % 64 + 0.5) / 64
    assert np.allclose(seen, 1 / (1 - share + share / 4))
