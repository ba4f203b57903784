from __future__ import annotations

import numpy as np
import pytest

from ops.synth.camera import Camera, random_camera, rotation


def test_rotation_agrees_with_the_recorded_convention() -> None:
    recorded = [
        [0.9303123938528487, 0.011351264741886783, 0.3665924148595301],
        [0.30262914232417587, 0.5409236557990068, -0.7847402123079785],
        [-0.20720630313751548, 0.8409950935563163, 0.4997927576048765],
    ]
    assert np.allclose(rotation(337.4818643504108, 57.24534869375361, -1.2021735620774128), recorded)


def test_rotations_are_proper() -> None:
    R = rotation(123, 45, 6)
    assert np.allclose(R @ R.T, np.eye(3))
    assert np.linalg.det(R) == pytest.approx(1)


def test_projection_puts_right_to_the_right_and_up_to_the_top() -> None:
    camera = Camera(0, 0, 0, 90, np.array([0, 0, -2.0]))
    points, depth = camera.project(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), 100)
    assert np.allclose(points, [[50, 50], [75, 50], [50, 25], [50, 50]])
    assert depth.tolist() == [2, 2, 2, 1]


def test_random_cameras_keep_the_object_in_the_frame_and_within_their_ranges() -> None:
    rng = np.random.default_rng(0)
    vertices = np.random.default_rng(1).uniform(-0.5, 0.5, (40, 3)) * [1, 0.6, 0.3]
    cameras = [random_camera(rng, vertices) for _ in range(60)]
    for camera in cameras:
        points, depth = camera.project(vertices, 1)
        assert depth.min() > 0
        assert points.min() > 0.02 and points.max() < 0.98
        assert 0.45 <= np.ptp(points, axis=0).max() <= 0.9
        assert -5 <= camera.elevation <= 60 and abs(camera.roll) <= 5 and 20 <= camera.fov <= 50
    assert np.histogram([camera.azimuth for camera in cameras], 4, (0, 360))[0].min() > 5
