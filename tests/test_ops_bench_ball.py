from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ops.bench.ball import ball
from recon import Reconstruction, register
from recon.volume import HALF_EXTENT
from tests.recon_scene import make_scene


def test_images_can_be_registered_to_it_as_to_any_shape() -> None:
    known = Reconstruction.from_bytes(ball(7).to_bytes())
    random = np.random.default_rng(0)
    other = {name: random.normal(size=(2, 7, 16, 16)).astype(np.float32) for name in ("features", "flipped_features")}
    cameras = register(replace(make_scene(2).views, **other), known)
    assert np.isfinite(cameras.R).all() and 0 < cameras.loss.mean() <= 1


def test_it_is_as_large_as_the_shapes_of_a_library() -> None:
    shape = ball(384).shape
    assert shape is not None
    assert shape.field.occupancy.shape == (32, 32, 32) and shape.field.features.shape[1] == 128
    assert shape.field.basis.projection.shape == (384, 128)
    volume = 8 * shape.field.occupancy.astype(float).mean()
    assert volume == pytest.approx(4 / 3 * np.pi * HALF_EXTENT**3, rel=0.05)
