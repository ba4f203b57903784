from __future__ import annotations

import numpy as np
import pytest
import trimesh

from ops.errors import ConfigError
from ops.synth.primitives import box, cushion
from ops.synth.shapes import KINDS, Shape, assemble, make_shapes

SHAPES = make_shapes(2 * len(KINDS), 7)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_shapes_are_normalised_solids(shape: Shape) -> None:
    low, high = shape.vertices.min(0), shape.vertices.max(0)
    assert np.allclose(low + high, 0)
    assert (high - low).max() == pytest.approx(1)
    assert trimesh.Trimesh(shape.vertices, shape.faces, process=True).is_watertight
    assert np.allclose(np.linalg.norm(shape.normals, axis=-1), 1)
    assert len(shape.parts) == len(shape.faces) == len(shape.face_colors)


def test_all_kinds_occur_under_unique_names() -> None:
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert {shape.category for shape in SHAPES} == {"chair", "table", "lamp", "mug"}


def test_a_seed_fixes_the_shapes_and_another_changes_them() -> None:
    again, other = make_shapes(3, 7), make_shapes(3, 8)
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(again, SHAPES[:3], strict=True))
    assert not any(np.array_equal(a.vertices, b.vertices) for a, b in zip(again, other, strict=True))


def test_normals_keep_edges_sharp_and_curves_smooth() -> None:
    cube = assemble("box-00", "box", [box((1, 1, 1), (0, 0, 0))])
    assert np.allclose(np.abs(cube.normals).max(-1), 1)
    ball = assemble("ball-00", "ball", [cushion((1, 1, 1), (0, 0, 0), sharpness=1.0, steps=24)])
    outward = ball.vertices[ball.faces] / np.linalg.norm(ball.vertices[ball.faces], axis=-1, keepdims=True)
    assert np.einsum("fkd,fkd->fk", outward, ball.normals).min() > 0.98


def test_no_shapes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        make_shapes(0, 0)
