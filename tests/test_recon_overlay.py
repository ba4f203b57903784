from __future__ import annotations

import numpy as np
import trimesh

from recon import Mesh, render_overlay
from recon.overlay import outline
from recon.types import Cameras
from tests.test_recon_camera import pixels_of

BOX = trimesh.creation.box((1.0, 0.6, 0.4))
RED = Mesh(BOX.vertices.astype(np.float32), BOX.faces.astype(np.int32), np.tile(np.uint8([220, 20, 20]), (8, 1)))


def cameras(offset: tuple[float, float]) -> Cameras:
    turn = np.diag([-1.0, 1.0, -1.0]).astype(np.float32)  # from the front: looks along -z
    return Cameras(
        turn[None], np.float32([[0.1, 0.05, 3.0]]), np.float32([0.6]), np.float32([offset]), np.zeros(1, np.float32),
        np.ones(1, np.float32),
    )  # fmt: skip


def test_the_shape_lies_where_the_camera_puts_it() -> None:
    photo = np.full((128, 128, 3), 30, np.uint8)
    for offset in ((0.0, 0.0), (0.2, -0.3)):
        drawn = render_overlay(RED, cameras(offset), 0, photo)
        rows, columns = np.nonzero((drawn != 30).any(-1))
        corners = (pixels_of(BOX.vertices, cameras(offset), 0) + 1) / 2 * 128
        assert np.abs([columns.min(), rows.min()] - corners.min(0)).max() < 1.5
        assert np.abs([columns.max(), rows.max()] - corners.max(0)).max() < 1.5
        assert drawn.shape == photo.shape and drawn.dtype == np.uint8


def test_the_photo_shows_through() -> None:
    photos = [np.full((64, 64, 3), grey, np.uint8) for grey in (0, 200)]
    centre = [render_overlay(RED, cameras((0, 0)), 0, photo)[32, 30] for photo in photos]
    assert np.allclose(centre[1].astype(int) - centre[0], 0.4 * 200, atol=2)


def test_an_outline_is_the_rim() -> None:
    inside = np.zeros((7, 7), bool)
    inside[1:6, 1:6] = True
    rim = outline(inside)
    assert rim.sum() == 16 and not rim[2:5, 2:5].any()
    assert outline(np.ones((4, 4), bool)).sum() == 12
