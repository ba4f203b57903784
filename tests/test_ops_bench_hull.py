from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.bench.geometry import compare, sample_surface, sphere
from ops.bench.hull import hull_of_shape, project, visual_hull
from ops.bench.truth import TrueCamera, load_truth, to_pytorch3d
from ops.errors import ReconstructionError
from ops.synth.camera import rotation
from ops.synth.shards import write_shards


def _cameras(count: int) -> list[TrueCamera]:
    found = []
    for index in range(count):
        R, t = to_pytorch3d(rotation(index * 360 / count, 25 * (-1) ** index, 0), np.array([0, 0, -3.0]))
        found.append(TrueCamera(R, t, np.radians(30.0)))
    return found


def _disc(radius: float) -> np.ndarray:
    """Silhouette of a sphere of this radius at distance 3."""
    line = (np.arange(128) + 0.5) / 64 - 1
    edge = radius / np.sqrt(9 - radius**2) / np.tan(np.radians(15))
    return line[:, None] ** 2 + line[None, :] ** 2 < edge**2


def test_discs_from_all_sides_carve_a_sphere() -> None:
    hull = visual_hull([_disc(0.4)] * 16, _cameras(16), resolution=64)
    score = compare(sample_surface(hull), sample_surface(sphere(0.4)))
    assert score.chamfer < 0.03
    assert score.fscore > 0.98


def test_fewer_views_carve_less() -> None:
    volumes = [visual_hull([_disc(0.4)] * n, _cameras(n), resolution=48).volume for n in (2, 4, 16)]
    assert volumes[0] > volumes[1] > volumes[2] > 4 / 3 * np.pi * 0.4**3 * 0.9


def test_contradicting_masks_leave_nothing() -> None:
    with pytest.raises(ReconstructionError, match="no voxel"):
        visual_hull([np.zeros((16, 16), dtype=bool)], _cameras(1), resolution=16)


def test_projection_has_its_origin_top_left() -> None:
    camera = TrueCamera(*to_pytorch3d(np.eye(3), np.array([0, 0, -2.0])), np.pi / 2)
    points = project(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), camera)
    assert np.allclose(points, [[0.5, 0.5], [0.75, 0.5], [0.5, 0.25]])


def test_the_hull_of_a_procedural_shape_is_close_to_it(tmp_path: Path) -> None:
    write_shards(tmp_path, shapes=1, views=16, size=128)
    truth = load_truth(tmp_path)
    hull, mesh = hull_of_shape(truth, "chair-00", 64), truth.mesh("chair-00")
    score = compare(sample_surface(hull), sample_surface(mesh))
    assert score.fscore > 0.8
    assert score.chamfer < 0.3 * compare(sample_surface(sphere()), sample_surface(mesh)).chamfer
