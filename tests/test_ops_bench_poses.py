from __future__ import annotations

import numpy as np
import pytest

from ops.bench.poses import align_rotations, random_rotations, rotation_errors, score_poses
from ops.synth.camera import rotation

TURN = rotation(40, 20, 100)


def test_a_global_rotation_is_no_error() -> None:
    true = random_rotations(20, 0)
    assert np.allclose(align_rotations(true @ TURN, true), TURN)
    assert rotation_errors(true @ TURN, true).max() < 1e-3


def test_wrong_cameras_do_not_pull_the_right_ones() -> None:
    true, noise = random_rotations(40, 1), random_rotations(40, 2)
    estimated = true @ TURN
    estimated[:18] = noise[:18]
    errors = rotation_errors(estimated, true)
    assert errors[18:].max() < 3
    assert np.median(errors[:18]) > 60


def test_half_turns_are_seen_as_such() -> None:
    true = np.stack([rotation(azimuth, 20, 0) for azimuth in range(0, 360, 12)])
    estimated = true.copy()
    estimated[:10] = true[:10] @ np.diag([-1.0, 1, -1])
    score = score_poses(rotation_errors(estimated, true))
    assert score.count == 30
    assert score.median < 1
    assert score.under_30 == pytest.approx(2 / 3)
    assert score.over_120 == pytest.approx(1 / 3)


def test_known_errors_are_measured() -> None:
    true = np.stack([rotation(azimuth, 0, 0) for azimuth in range(0, 360, 30)])
    off = np.stack([rotation(azimuth + (10 if azimuth % 60 else -10), 0, 0) for azimuth in range(0, 360, 30)])
    assert rotation_errors(off, true, aligned=np.eye(3)) == pytest.approx(10)
    assert rotation_errors(off, true) == pytest.approx(10, abs=0.5)


def test_random_cameras_are_at_chance() -> None:
    score = score_poses(rotation_errors(random_rotations(400, 3), random_rotations(400, 4)))
    assert score.median > 100
    assert score.under_30 < 0.1


def test_one_camera_aligns_with_itself() -> None:
    assert rotation_errors(random_rotations(1, 5), random_rotations(1, 6)) == pytest.approx(0, abs=1e-3)
