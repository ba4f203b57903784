from __future__ import annotations

import numpy as np

from ops.synth.assembly import assembly
from ops.synth.shapes import assemble


def test_every_draw_is_a_closed_normalised_thing() -> None:
    for seed in range(20):
        shape = assemble("thing", "thing", assembly(np.random.default_rng(seed)))
        assert np.isclose(np.ptp(shape.vertices, axis=0).max(), 1)
        assert len(shape.faces) > 20 and np.isfinite(shape.normals).all()


def test_solids_face_outward_also_in_the_mirror() -> None:
    for solid in assembly(np.random.default_rng(4)):
        a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0


def test_most_but_not_all_are_symmetric() -> None:
    # The first solid lies on the mirror plane but may be tilted or a crooked tube: count the twins instead.
    counts = [len(assembly(np.random.default_rng(seed))) for seed in range(40)]
    paired = sum(count % 2 == 1 and count > 1 for count in counts)
    assert 20 <= paired < 40


def test_draws_differ_and_repeat() -> None:
    first, again, other = (assembly(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(first, again, strict=True))
    assert len(first) != len(other) or not np.array_equal(first[0].vertices, other[0].vertices)
