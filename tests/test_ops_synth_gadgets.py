from __future__ import annotations

import numpy as np
import pytest

from ops.synth import gadgets
from ops.synth.shapes import Maker
from tests.synth_checks import draw, is_sound

MAKERS = [gadgets.screen, gadgets.camera, gadgets.clock, gadgets.piano, gadgets.watering_can]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_draw_is_sound(maker: Maker) -> None:
    assert all(is_sound(draw(maker, seed)) for seed in range(10))


@pytest.mark.parametrize("maker", [gadgets.camera, gadgets.clock, gadgets.piano], ids=lambda maker: maker.__name__)
def test_what_is_fitted_to_the_front_is_in_front(maker: Maker) -> None:
    for seed in range(5):
        shape = draw(maker, seed)
        fitted = np.unique(shape.faces[shape.parts == 1])
        assert shape.vertices[fitted, 2].mean() > shape.vertices[:, 2].mean()


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_draws_of_one_kind_differ(maker: Maker) -> None:
    extents = [np.ptp(draw(maker, seed).vertices, axis=0) for seed in range(4)]
    assert np.ptp(extents, axis=0).max() > 0.02
