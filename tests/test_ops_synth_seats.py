from __future__ import annotations

import numpy as np
import pytest

from ops.synth import seats
from ops.synth.shapes import Maker
from tests.synth_checks import draw, mirror_error

SYMMETRIC = [
    seats.four_leg_chair,
    seats.armchair,
    seats.stool_with_back,
    seats.rocking_chair,
    seats.shell_chair,
]


@pytest.mark.parametrize("maker", [*SYMMETRIC, seats.office_chair], ids=lambda maker: maker.__name__)
def test_backs_are_high_and_behind(maker: Maker) -> None:
    vertices = draw(maker).vertices
    top = vertices[vertices[:, 1] > np.quantile(vertices[:, 1], 0.9)]
    assert top[:, 2].mean() < -0.02


@pytest.mark.parametrize("maker", SYMMETRIC, ids=lambda maker: maker.__name__)
def test_left_mirrors_right(maker: Maker) -> None:
    assert mirror_error(draw(maker)) < 0.03


@pytest.mark.parametrize("maker", [*SYMMETRIC, seats.office_chair], ids=lambda maker: maker.__name__)
def test_draws_of_one_kind_differ(maker: Maker) -> None:
    extents = [np.ptp(draw(maker, seed).vertices, axis=0) for seed in range(4)]
    assert np.ptp(extents, axis=0).max() > 0.02
