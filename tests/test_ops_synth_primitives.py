from __future__ import annotations

import numpy as np
import pytest
import trimesh

from ops.synth.primitives import Solid, arc, beam, box, cushion, cylinder, lathe, raised, tilt, tube


def _mesh(solid: Solid) -> trimesh.Trimesh:
    return trimesh.Trimesh(solid.vertices, solid.faces, process=True)


SOLIDS = {
    "box": box((1, 2, 3), (0, 0, 0)),
    "beam": beam((0, 0, 0), (0.2, 1, 0.1), (0.1, 0.1), (0.2, 0.3)),
    "cushion": cushion((1, 0.5, 0.7), (0, 0, 0)),
    "cylinder": cylinder(0.5, 1, (0, 0, 0)),
    "vessel": lathe([(0, 0), (1, 0), (1, 1), (0.9, 1), (0.9, 0.1), (0, 0.1)]),
    "tube": tube(arc((0, 0, 0), 1, 0, 200, "xy"), 0.1),
    "ring": tube(arc((0, 0, 0), 1, 0, 360, "xz", 24), 0.1),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_wound_outward(name: str) -> None:
    mesh = _mesh(SOLIDS[name])
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0


def test_volumes_are_those_of_the_ideal_solids() -> None:
    assert _mesh(SOLIDS["box"]).volume == pytest.approx(6)
    assert _mesh(SOLIDS["cylinder"]).volume == pytest.approx(np.pi / 4, rel=0.02)
    hollow = np.pi * (1 - 0.9**2 * 0.9)
    assert _mesh(SOLIDS["vessel"]).volume == pytest.approx(hollow, rel=0.02)
    straight = tube([(0, 0, 0), (0, 1, 0), (0, 2, 0)], 0.1, sides=40)
    assert _mesh(straight).volume == pytest.approx(np.pi * 0.01 * 2, rel=0.02)


def test_cushion_is_rounder_the_less_sharp_it_is() -> None:
    sharp = _mesh(cushion((1, 1, 1), (0, 0, 0), sharpness=0.2, steps=16)).volume
    ellipsoid = _mesh(cushion((1, 1, 1), (0, 0, 0), sharpness=1.0, steps=32)).volume
    assert ellipsoid == pytest.approx(np.pi / 6, rel=0.03)
    assert ellipsoid < sharp < 1


def test_tilt_tips_the_top_forward() -> None:
    tipped = tilt(box((0.1, 2, 0.1), (0, 1, 0)), 90)
    assert tipped.vertices[:, 2].max() == pytest.approx(2)
    assert abs(tipped.vertices[:, 1]).max() == pytest.approx(0.05)


def test_raised_leaves_its_argument_alone() -> None:
    point = np.array([1.0, 2.0, 3.0])
    assert raised(point, 0.5).tolist() == [1.0, 2.5, 3.0]
    assert point.tolist() == [1.0, 2.0, 3.0]
