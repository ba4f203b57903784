from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from index.form import SPECTRUM, Packed, likeness, pack, packed_rows, spectrum, unpack
from ops.synth.shapes import make_shapes

Floats = NDArray[np.float64]
KINDS = 12


def form(vertices: Floats, faces: NDArray[np.int64]) -> NDArray[np.complex64]:
    return spectrum(vertices, faces)


def rows(found: NDArray[np.complex64]) -> Packed:
    return packed_rows([pack(found)])


def turned(vertices: Floats, degrees: float) -> Floats:
    """From the front (+z) to the right (+x)."""
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(vertices @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T)


@pytest.fixture(scope="module")
def things() -> list[tuple[Floats, NDArray[np.int64]]]:
    return [(shape.vertices, shape.faces) for shape in make_shapes(KINDS, 3)]


def test_a_thing_turned_moved_scaled_and_roughened_finds_itself(
    things: list[tuple[Floats, NDArray[np.int64]]],
) -> None:
    known = packed_rows([pack(form(*thing)) for thing in things])
    random = np.random.default_rng(0)
    for number, (vertices, faces) in enumerate(things):
        rough = vertices + random.normal(0, 0.01, vertices.shape)
        asked = form(turned(rough, 130) * 3 + (5, -1, 2), faces)
        score, _ = likeness(asked, known)
        assert score.argmax() == number, np.round(score, 2)
        assert score[number] > 0.9


def test_the_turn_lays_one_on_the_other() -> None:
    seat = trimesh.util.concatenate(
        [trimesh.creation.box((1, 0.2, 1)), trimesh.creation.box((1, 1, 0.1)).apply_translation((0, 0.5, -0.45))]
    )
    vertices, faces = np.asarray(seat.vertices), np.asarray(seat.faces)
    asked, known = form(turned(vertices, 70), faces), form(vertices, faces)
    score, turn = likeness(asked, rows(known))
    assert turn[0] == 70 and score[0] > 0.95
    assert likeness(known, rows(asked))[1][0] == 290
    flipped, upside_down = form(turned(vertices, 180), faces), form(vertices * (1, -1, -1), faces)
    assert likeness(known, rows(flipped))[0][0] > 0.95 > 0.8 > likeness(known, rows(upside_down))[0][0]


def test_it_is_kept_to_three_digits_and_knows_what_is_none_of_its_own(
    things: list[tuple[Floats, NDArray[np.int64]]],
) -> None:
    found = form(*things[0])
    again = unpack(pack(found))
    assert again is not None and again.shape == SPECTRUM
    assert np.abs(again - found).max() < 1e-3
    assert likeness(found, rows(again))[0][0] == pytest.approx(1, abs=2e-3)
    assert unpack(b"") is None and unpack(pack(found)[:-1]) is None


def test_what_has_no_area_is_like_nothing(things: list[tuple[Floats, NDArray[np.int64]]]) -> None:
    nothing = form(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert not nothing.any()
    assert likeness(nothing, rows(form(*things[0])))[0][0] == 0
    assert likeness(form(*things[0]), packed_rows([]))[0].shape == (0,)
