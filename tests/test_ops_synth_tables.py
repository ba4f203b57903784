from __future__ import annotations

import numpy as np
import pytest

from ops.synth import tables
from ops.synth.shapes import Maker
from tests.synth_checks import draw, mirror_error

ALL = [tables.round_table, tables.rectangular_table, tables.side_table, tables.desk]


@pytest.mark.parametrize("maker", ALL, ids=lambda maker: maker.__name__)
def test_the_top_is_the_widest_and_flat(maker: Maker) -> None:
    vertices = draw(maker).vertices
    top = vertices[vertices[:, 1] > vertices[:, 1].max() - 1e-6]
    assert np.ptp(top[:, 0]) > 0.6 * np.ptp(vertices[:, 0])


def test_a_round_table_is_as_deep_as_wide() -> None:
    extent = np.ptp(draw(tables.round_table).vertices, axis=0)
    assert extent[0] == pytest.approx(extent[2], rel=0.01)


def test_a_desk_is_lopsided_and_a_table_is_not() -> None:
    assert mirror_error(draw(tables.desk)) > 0.05
    assert mirror_error(draw(tables.rectangular_table)) < 1e-9
