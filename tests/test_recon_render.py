from __future__ import annotations

import torch

from recon.geometry import pixel_grid, project
from recon.render import framing, render
from recon.volume import HALF_EXTENT, sphere

CPU = torch.device("cpu")


def test_a_sphere_is_a_disc_with_its_surface_in_front() -> None:
    ball = sphere(1, 32, CPU)
    angles, frame = torch.tensor([[[0.7, 0.3, 0.0]]]), torch.tensor([[[1.0, 0.0, 0.0]]])
    alpha, points = render(ball, angles, frame, pixels=32, samples=64, distance=50.0)
    radius = pixel_grid(32, CPU).norm(dim=-1)
    assert bool((alpha[0, 0][radius < HALF_EXTENT - 0.08] > 0.5).all())
    assert bool((alpha[0, 0][radius > HALF_EXTENT + 0.08] < 0.5).all())
    front = points[0, 0][radius < 0.5]
    assert torch.allclose(front.norm(dim=-1), torch.full((len(front),), HALF_EXTENT), atol=0.08)


def test_surface_points_project_to_their_pixels() -> None:
    ball = sphere(1, 24, CPU)
    angles, frame = torch.tensor([[[2.0, 0.5, 0.2]]]), torch.tensor([[[0.9, 0.1, -0.2]]])
    _, points = render(ball, angles, frame, pixels=12, samples=32, distance=3.0)
    uv = project(points[0, 0], angles[0, 0], frame[0, 0], 3.0)
    assert torch.allclose(uv, pixel_grid(12, CPU), atol=1e-4)


def test_framing_makes_the_silhouette_fill_its_moment_window() -> None:
    small = sphere(1, 32, CPU).roll(3, dims=3)
    angles = torch.tensor([[[0.0, 0.0, 0.0], [1.5, 0.2, 0.0]]])
    frame = framing(small, angles, 5.0)
    alpha, _ = render(small, angles, frame, pixels=32, samples=32, distance=5.0)
    centre = (alpha / alpha.sum(-1, keepdim=True)) @ pixel_grid(32, CPU)
    assert float(centre.abs().max()) < 0.03
    reach = ((alpha > 0.5).float().mean(-1) * 4 / torch.pi).sqrt()
    assert torch.allclose(reach, torch.full_like(reach, 0.5**0.5), atol=0.06)
