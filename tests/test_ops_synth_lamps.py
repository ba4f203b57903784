from __future__ import annotations

import numpy as np
import pytest

from ops.synth import lamps
from ops.synth.shapes import Maker
from tests.synth_checks import draw, mirror_error


@pytest.mark.parametrize("maker", [lamps.desk_lamp, lamps.arc_lamp], ids=lambda maker: maker.__name__)
def test_reaching_lamps_are_mirror_symmetric_but_not_rotationally(maker: Maker) -> None:
    shape = draw(maker)
    extent = np.ptp(shape.vertices, axis=0)
    assert mirror_error(shape) < 0.02
    assert extent[2] > 1.3 * extent[0]


def test_a_floor_lamp_is_as_deep_as_wide_and_slender() -> None:
    extent = np.ptp(draw(lamps.floor_lamp).vertices, axis=0)
    assert extent[0] == pytest.approx(extent[2], rel=0.01)
    assert extent[1] == pytest.approx(1)
    assert extent[0] < 0.6


def test_shades_are_open_below() -> None:
    shape = draw(lamps.floor_lamp)
    shade = shape.vertices[np.unique(shape.faces[shape.parts == 1])]
    rim = shade[shade[:, 1] < shade[:, 1].min() + 1e-6]
    assert np.linalg.norm(rim[:, [0, 2]], axis=1).min() > 0.05
