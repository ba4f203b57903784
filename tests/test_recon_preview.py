from __future__ import annotations

import numpy as np
import trimesh

from recon import Mesh, render_preview, render_turntable

BOX = trimesh.creation.box((1.0, 0.6, 0.4))
RED = Mesh(BOX.vertices.astype(np.float32), BOX.faces.astype(np.int32), np.tile(np.uint8([220, 20, 20]), (8, 1)))


def test_front_view_is_a_solid_rectangle_on_white() -> None:
    image = render_preview(RED, 64, azimuth=0, elevation=0)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image[:8] == 255).all()
    solid = (image[..., 1] < 128) & (image[..., 0] > 60)
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    assert solid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.97
    assert abs(len(columns) / len(rows) - 1 / 0.6) < 0.15


def test_transparent_background_and_the_side_is_narrower() -> None:
    front = render_preview(RED, 48, 0, 0, transparent=True)
    side = render_preview(RED, 48, 90, 0, transparent=True)
    assert front.shape == (48, 48, 4)
    assert set(np.unique(front[0, :, 3])) == {0}
    assert (side[..., 3] > 128).sum() < 0.6 * (front[..., 3] > 128).sum()


def test_turntable_starts_at_the_front_and_turns() -> None:
    frames = render_turntable(RED, 4, 32, elevation=0)
    assert frames.shape == (4, 32, 32, 3)
    assert np.array_equal(frames[0], render_preview(RED, 32, 0, 0))
    assert not np.array_equal(frames[0], frames[1])
    assert np.abs(frames[0].astype(int) - frames[2]).mean() < 5
