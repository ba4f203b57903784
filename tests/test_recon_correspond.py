from __future__ import annotations

import torch

from recon.canonical import Located
from recon.correspond import Looks, draw_to_features

GRID = 16
SPOT = torch.tensor([0.1875, -0.3125])  # the centre of a patch


def looks(mask: bool = True) -> Looks:
    """One image that looks like (1, 0) everywhere but like (0, 1) at `SPOT`."""
    features = torch.zeros(1, 2, GRID, GRID)
    features[:, 0] = 3.0
    column, row = ((SPOT + 1) / 2 * GRID).long().tolist()
    features[:, :, row, column] = torch.tensor([0.0, 7.0])
    return Looks.of(features, torch.full((1, 32, 32), mask))


def located(*points: tuple[float, float], visible: bool = True) -> Located:
    image = torch.tensor([points])
    return Located(image, torch.ones(image.shape[:2]), torch.full(image.shape[:2], visible))


WANTED = torch.tensor([[0.0, 1.0]])


def test_a_point_is_drawn_to_what_looks_like_it() -> None:
    start = located((0.1, -0.25))
    assert (start.image[0, 0] - SPOT).norm() > 0.09
    found = draw_to_features(start, WANTED, looks())
    assert (found.image[0, 0] - SPOT).norm() < 0.05


def test_what_is_too_far_away_does_not_draw() -> None:
    start = located((-0.5, 0.5))
    found = draw_to_features(start, WANTED, looks())
    assert torch.allclose(found.image, start.image, atol=1e-6)


def test_hidden_points_stay() -> None:
    start = located((0.1, -0.25), visible=False)
    assert torch.equal(draw_to_features(start, WANTED, looks()).image, start.image)


def test_points_with_no_foreground_around_stay() -> None:
    start = located((0.1, -0.25))
    assert torch.equal(draw_to_features(start, WANTED, looks(mask=False)).image, start.image)


def test_points_are_drawn_each_by_its_own_look() -> None:
    start = located((0.1, -0.25), (0.1, -0.25))
    found = draw_to_features(start, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), looks())
    assert (found.image[0, 0] - SPOT).norm() < 0.05
    assert torch.allclose(found.image[0, 1], start.image[0, 1], atol=0.05)


def test_features_are_of_unit_length_between_patches_too() -> None:
    seen = looks().at(torch.rand(1, 50, 2) * 2 - 1)
    assert torch.allclose(seen.norm(dim=-1), torch.ones(1, 50), atol=1e-5)
