from __future__ import annotations

import numpy as np
import torch

from recon.geometry import voxel_grid
from recon.mesh import finish_mesh, place_mesh, surface
from tests.recon_scene import carved_result


def _ball(radius: float, centre: tuple[float, float, float], resolution: int = 32) -> np.ndarray:
    away = voxel_grid(resolution, torch.device("cpu")) - torch.tensor(centre)
    return torch.sigmoid((radius - away.norm(dim=-1)) * 20).reshape(3 * [resolution]).numpy()


def test_surface_of_a_ball_faces_outward_where_it_is() -> None:
    mesh = surface(_ball(0.5, (0.2, 0.1, -0.1)), 0.5)
    assert mesh is not None and mesh.is_watertight
    assert np.allclose(mesh.bounds.mean(0), (0.2, 0.1, -0.1), atol=0.03)
    assert abs(mesh.volume - 4 / 3 * np.pi * 0.5**3) < 0.06


def test_crumbs_are_dropped_and_emptiness_is_none() -> None:
    field = np.maximum(_ball(0.5, (0, 0, 0)), _ball(0.09, (0.85, 0.85, 0.85)))
    mesh = surface(field, 0.5)
    assert mesh is not None and mesh.bounds.max() < 0.6
    assert surface(np.zeros((16, 16, 16), np.float32), 0.5) is None


def test_object_frame_is_centred_with_longest_side_one() -> None:
    body = surface(_ball(0.4, (0.2, 0.0, 0.0)), 0.5)
    assert body is not None
    place = place_mesh(body, 3.0)
    mesh = finish_mesh(body, place, np.zeros((len(body.vertices), 3), np.uint8))
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    assert np.allclose(low + high, 0, atol=1e-5)
    assert np.isclose((high - low).max(), 1, atol=1e-5)
    points = torch.rand(5, 3)
    assert torch.allclose(place.to_volume(place.to_object(points)), points, atol=1e-6)


def test_vertex_colours_come_from_the_object() -> None:
    scene, result = carved_result()
    assert result.shape is not None
    colors = result.shape.mesh.colors.astype(float)
    inside = scene.views.crops[scene.views.masks].astype(float)
    assert np.abs(colors.mean(0) - inside.mean(0)).max() < 30
    assert (colors.min(1) < 240).mean() > 0.95
