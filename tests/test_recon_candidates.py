"""Half of a grid rendered, and the rest as mirror images of it."""

from __future__ import annotations

import math

import pytest
import torch

from recon.candidates import features_at, frame_grid, render_features, render_grid
from recon.evidence import fit_basis, gather_evidence
from recon.geometry import pose_grid
from recon.render import framing
from recon.volume import sphere, voxel_index
from tests.recon_scene import SMALL, make_scene

CPU = torch.device("cpu")
SIDE, PIXELS, DISTANCE = 16, 8, 4.0


def blobs(mirror: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Two occupancies that are symmetric in x, or not, and features that are not."""
    noise = torch.Generator().manual_seed(1)
    rough = torch.rand(2, SIDE, SIDE, SIDE, generator=noise) * sphere(2, SIDE, CPU)
    features = torch.randn(2, SIDE**3, 5, generator=noise)
    return (rough + rough.flip(-1)) / 2 if mirror else rough, features


@pytest.mark.parametrize("azimuths", [8, 9])
@pytest.mark.parametrize("mirror", [True, False])
def test_a_grid_looks_as_each_of_its_poses_does(mirror: bool, azimuths: int) -> None:
    occupancy, features = blobs(mirror)
    grid = pose_grid(azimuths, [-0.1, 0.6], CPU)
    frames = frame_grid(occupancy[:1], grid, DISTANCE, mirror)
    assert torch.allclose(frames, framing(occupancy[:1], grid[None], DISTANCE), atol=1e-5)
    alpha, points = render_grid(occupancy, grid, frames, DISTANCE, PIXELS, mirror)
    seen = torch.stack([features_at(*one) for one in zip(points, features, strict=True)])
    each_alpha, each_seen = render_features(occupancy, features, grid[None], frames, DISTANCE, PIXELS)
    assert torch.allclose(alpha, each_alpha, atol=1e-5)
    # A point on the border of two voxels may round to either.
    assert float((seen == each_seen).all(-1).float().mean()) > 0.98


def test_the_far_side_of_a_grid_is_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    from recon import candidates

    occupancy, _ = blobs(mirror=True)
    grid, shown = pose_grid(12, [0.0], CPU), []
    real = candidates.render

    def counted(volumes: torch.Tensor, angles: torch.Tensor, frame: torch.Tensor, **sizes: float) -> object:
        shown.extend(angles[0, :, 0].tolist())
        return real(volumes, angles, frame, **sizes)  # type: ignore[arg-type]

    monkeypatch.setattr(candidates, "render", counted)
    render_grid(occupancy, grid, frame_grid(occupancy[:1], grid, DISTANCE, True), DISTANCE, PIXELS, True)
    assert len(shown) == 7 and max(shown) == pytest.approx(math.pi)


def test_features_are_those_of_the_side_that_is_seen() -> None:
    ball, grid = sphere(1, SIDE, CPU), pose_grid(4, [0.0], CPU)
    right = torch.zeros(1, SIDE**3, 1)
    cell = voxel_index(torch.tensor([[0.9, 0.0, 0.0]]), SIDE)
    right.reshape(SIDE, SIDE, SIDE)[..., SIDE // 2 :] = 1.0
    assert right[0, cell] == 1.0
    _, points = render_grid(ball, grid, frame_grid(ball, grid, DISTANCE, True), DISTANCE, PIXELS, True)
    middle = features_at(points[0], right[0]).reshape(4, PIXELS, PIXELS)[:, 3:5, 3:5].mean((1, 2))
    assert middle[1] == 1.0 and middle[3] == 0.0  # azimuth grows towards +x


def test_a_view_s_score_does_not_depend_on_how_many_poses_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from recon import em

    scene = make_scene(6)
    views, (occupancy, features) = scene.views, blobs(mirror=True)
    evidence = gather_evidence(views, fit_basis(views, 5, CPU), CPU)
    model = em.Model.of(evidence, SMALL)
    grid = model.candidates(12, 3)
    scores, _ = em.score_candidates(occupancy[0], features[0], grid, evidence, model)
    monkeypatch.setattr(em, "_AT_ONCE", (1, 1))
    each, _ = em.score_candidates(occupancy[0], features[0], grid, evidence, model)
    assert scores.shape == (6, 36) and scores.std() > 0 and torch.allclose(scores, each, atol=1e-6)
