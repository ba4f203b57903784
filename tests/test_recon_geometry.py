from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from recon.geometry import angles_of, pose_grid, project, rotation, voxel_grid, wrap
from tests.recon_scene import look

ANGLE = st.floats(-3.1, 3.1)


@given(ANGLE, st.floats(-1.4, 1.4), st.floats(-1.0, 1.0))
def test_angles_survive_the_rotation(azimuth: float, elevation: float, roll: float) -> None:
    angles = torch.tensor([azimuth, elevation, roll], dtype=torch.float64)
    R = rotation(angles)
    assert torch.allclose(R @ R.T, torch.eye(3, dtype=torch.float64), atol=1e-9)
    assert torch.linalg.det(R) > 0
    assert wrap(angles_of(R) - angles).abs().max() < 1e-6


def test_rotation_is_the_upright_camera_looking_at_the_origin() -> None:
    for azimuth, elevation in ((0.0, 0.0), (1.0, 0.4), (-2.0, -0.2)):
        found = rotation(torch.tensor([azimuth, elevation, 0.0], dtype=torch.float64))
        assert np.allclose(found, look(azimuth, elevation), atol=1e-9)


def test_projection_puts_right_to_the_right_and_up_above() -> None:
    points = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]])
    uv = project(points, torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]), 4.0)
    assert torch.allclose(uv, torch.tensor([[0.5, 0.0], [0.0, -0.5]]), atol=1e-6)


def test_nearer_points_look_larger() -> None:
    points = torch.tensor([[0.5, 0.0, 0.5], [0.5, 0.0, -0.5]])
    uv = project(points, torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]), 4.0)
    assert uv[0, 0] > 0.5 > uv[1, 0]


def test_grids_cover_what_they_say() -> None:
    voxels = voxel_grid(4, torch.device("cpu"))
    assert voxels.shape == (64, 3)
    assert torch.allclose(voxels[1] - voxels[0], torch.tensor([0.5, 0.0, 0.0]))
    poses = pose_grid(8, [0.1, 0.5], torch.device("cpu"))
    assert poses.shape == (16, 3)
    assert math.isclose(float(poses[:, 0].max()), 7 / 4 * math.pi, rel_tol=1e-5)
