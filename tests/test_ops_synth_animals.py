from __future__ import annotations

import numpy as np
import pytest

from ops.synth import animals
from ops.synth.shapes import Maker
from tests.synth_checks import draw, is_sound

MAKERS = [animals.quadruped, animals.biped, animals.bird]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_draw_is_sound(maker: Maker) -> None:
    assert all(is_sound(draw(maker, seed)) for seed in range(10))


@pytest.mark.parametrize("maker", [animals.quadruped, animals.bird], ids=lambda maker: maker.__name__)
def test_heads_are_high_and_in_front(maker: Maker) -> None:
    for seed in range(5):
        vertices = draw(maker, seed).vertices
        front = vertices[vertices[:, 2] > np.quantile(vertices[:, 2], 0.85)]
        assert front[:, 1].mean() > vertices[:, 1].mean()


def test_a_biped_is_tall_and_its_nose_in_front() -> None:
    shape = draw(animals.biped)
    assert np.ptp(shape.vertices, axis=0).argmax() == 1
    head = shape.vertices[np.unique(shape.faces[shape.parts == 1]), 2]
    assert head.max() - np.median(head) > np.median(head) - head.min()


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_draws_of_one_kind_differ(maker: Maker) -> None:
    extents = [np.ptp(draw(maker, seed).vertices, axis=0) for seed in range(4)]
    assert np.ptp(extents, axis=0).max() > 0.02
