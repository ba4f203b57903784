from __future__ import annotations

import numpy as np
import pytest

from ops.synth import bodies
from ops.synth.shapes import Maker
from tests.synth_checks import draw, is_sound

MAKERS = [bodies.sofa, bodies.bed, bodies.shelf, bodies.chest]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_draw_is_sound(maker: Maker) -> None:
    assert all(is_sound(draw(maker, seed)) for seed in range(10))


@pytest.mark.parametrize("maker", [bodies.sofa, bodies.bed], ids=lambda maker: maker.__name__)
def test_backs_and_head_boards_are_high_and_behind(maker: Maker) -> None:
    for seed in range(5):
        vertices = draw(maker, seed).vertices
        assert vertices[vertices[:, 1] > np.quantile(vertices[:, 1], 0.95), 2].mean() < 0


def test_a_chests_knobs_are_on_its_front() -> None:
    shape = draw(bodies.chest)
    drawers = np.unique(shape.faces[shape.parts == 1])
    assert shape.vertices[drawers, 2].mean() > 0.4 * shape.vertices[:, 2].max()


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_draws_of_one_kind_differ(maker: Maker) -> None:
    extents = [np.ptp(draw(maker, seed).vertices, axis=0) for seed in range(4)]
    assert np.ptp(extents, axis=0).max() > 0.02
