from __future__ import annotations

import numpy as np
import pytest

from ops.synth import vehicles
from ops.synth.shapes import Maker
from tests.synth_checks import draw, is_sound, mirror_error

SYMMETRIC = [vehicles.car, vehicles.truck, vehicles.aeroplane, vehicles.boat]


@pytest.mark.parametrize("maker", [*SYMMETRIC, vehicles.two_wheeler], ids=lambda maker: maker.__name__)
def test_every_draw_is_sound(maker: Maker) -> None:
    assert all(is_sound(draw(maker, seed)) for seed in range(10))


@pytest.mark.parametrize("maker", SYMMETRIC, ids=lambda maker: maker.__name__)
def test_left_mirrors_right(maker: Maker) -> None:
    assert mirror_error(draw(maker)) < 0.05


@pytest.mark.parametrize("maker", [vehicles.car, vehicles.truck, vehicles.two_wheeler], ids=lambda m: m.__name__)
def test_they_are_longer_than_wide(maker: Maker) -> None:
    for seed in range(5):
        width, _, length = np.ptp(draw(maker, seed).vertices, axis=0)
        assert length > 1.2 * width


def test_a_trucks_cab_is_in_front_and_a_planes_fin_behind() -> None:
    for seed in range(5):
        shape = draw(vehicles.aeroplane, seed)
        assert shape.vertices[shape.vertices[:, 1].argmax(), 2] < 0
        bow = draw(vehicles.boat, seed).vertices
        front, rear = (bow[bow[:, 2] * side > 0.4] for side in (1, -1))
        assert np.abs(front[:, 0]).max() < np.abs(rear[:, 0]).max()
