from __future__ import annotations

import numpy as np
import pytest
import trimesh

from ops.bench.geometry import Similarity, align, compare, sample_surface, sphere, umeyama
from ops.synth.camera import rotation
from ops.synth.shapes import make_shapes


@pytest.fixture(scope="module")
def chair() -> np.ndarray:
    shape = make_shapes(1, 0)[0]
    return sample_surface(trimesh.Trimesh(shape.vertices, shape.faces), 3000)


def test_identical_points_are_at_no_distance() -> None:
    points = np.random.default_rng(0).random((50, 3))
    score = compare(points, points)
    assert (score.chamfer, score.fscore) == (0, 1)


def test_chamfer_adds_both_ways_and_the_fscore_counts_within_the_threshold() -> None:
    line = np.zeros((3, 3))
    line[:, 0] = [0, 1, 2]
    score = compare(line[:1], line, threshold=0.5)
    assert score.chamfer == pytest.approx(0 + 1)
    assert score.fscore == pytest.approx(2 * 1 * (1 / 3) / (1 + 1 / 3))
    assert compare(line + np.array([0, 9, 0]), line).fscore == 0


def test_concentric_spheres_are_twice_their_gap_apart() -> None:
    score = compare(sample_surface(sphere(0.4)), sample_surface(sphere(0.44)))
    assert score.chamfer == pytest.approx(0.08, abs=0.005)
    assert score.fscore > 0.99


def test_samples_are_spread_by_area_and_repeatable() -> None:
    box = trimesh.creation.box((1, 1, 0.01))
    points = sample_surface(box, 2000)
    assert np.mean(np.abs(points[:, 2]) > 0.0049) > 0.9
    assert np.array_equal(points, sample_surface(box, 2000))


def test_umeyama_recovers_a_similarity() -> None:
    points, R = np.random.default_rng(1).normal(size=(30, 3)), rotation(30, 40, 50)
    found = umeyama(points, 1.7 * points @ R.T + [1, 2, 3])
    assert found.scale == pytest.approx(1.7)
    assert np.allclose(found.R, R) and np.allclose(found.t, [1, 2, 3])


def test_umeyama_never_mirrors() -> None:
    points = np.random.default_rng(2).normal(size=(30, 3))
    assert np.linalg.det(umeyama(points, points * [-1, 1, 1]).R) == pytest.approx(1)


def test_alignment_repairs_a_rough_first_rotation(chair: np.ndarray) -> None:
    moved = Similarity(0.7, rotation(130, 10, 5), np.array([0.3, -0.2, 0.1]))(chair)
    rough = rotation(12, 8, 3) @ rotation(130, 10, 5).T
    found = align(moved, chair, rough)
    assert found.scale == pytest.approx(1 / 0.7, rel=0.01)
    assert compare(found(moved), chair).chamfer < 0.01


def test_alignment_does_not_collapse_on_an_unlike_shape(chair: np.ndarray) -> None:
    found = align(sample_surface(sphere(), 3000), chair, np.eye(3))
    assert 0.6 < found.scale < 1.6
