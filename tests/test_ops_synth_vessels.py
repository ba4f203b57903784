from __future__ import annotations

import numpy as np
import pytest

from ops.synth import vessels
from ops.synth.shapes import Maker
from tests.synth_checks import draw, mirror_error


@pytest.mark.parametrize("maker", [vessels.mug, vessels.jug], ids=lambda maker: maker.__name__)
def test_vessels_are_hollow_with_a_handle_behind(maker: Maker) -> None:
    shape = draw(maker)
    body, handle = (
        shape.vertices[shape.faces[shape.parts == 0]],
        shape.vertices[shape.faces[shape.parts == 1]],
    )
    axis = np.abs(body[..., [0, 2]] - (body.min((0, 1)) + body.max((0, 1)))[[0, 2]] / 2).max(-1) < 1e-6
    assert -0.5 <= body[axis][:, 1].min() <= body[axis][:, 1].max() < -0.3
    assert handle[..., 2].min() < body[..., 2].min() - 0.05


@pytest.mark.parametrize("maker", [vessels.mug, vessels.jug], ids=lambda maker: maker.__name__)
def test_left_mirrors_right(maker: Maker) -> None:
    assert mirror_error(draw(maker)) < 0.02


def test_a_jug_pours_to_the_front() -> None:
    vertices = draw(vessels.jug).vertices
    highest = vertices[vertices[:, 1] > vertices[:, 1].max() - 0.02]
    assert highest[:, 2].mean() > 0.1
