from __future__ import annotations

import numpy as np
import torch

from recon.geometry import project
from recon.parts import find_parts
from tests.recon_scene import make_scene, true_poses

SCENE = make_scene(24, noise=0.05)


def test_parts_are_where_their_points_are_and_gaps_where_they_are_hidden() -> None:
    model, poses = true_poses(SCENE)
    found = find_parts(model.evidence, 12, 0)
    assert found.places.shape == (24, 12, 2) and 0.05 < 1 - found.seen.float().mean() < 0.95
    assert (found.places[~found.seen] == 0).all() and found.places.abs().max() <= 1
    # A part is one place of the object: a point of its own explains where it is seen better than a common one does.
    fitted = [_spread(found.places[:, part], found.seen[:, part], poses, model.distance) for part in range(12)]
    assert np.median(fitted) < 0.25


def _spread(places: torch.Tensor, seen: torch.Tensor, poses: object, distance: float) -> float:
    """Root mean square distance of a part from the image of the point that explains it best, of a grid of points."""
    line = torch.linspace(-0.8, 0.8, 17)
    grid = torch.cartesian_prod(line, line, line)
    images = project(grid, poses.angles[0, seen], poses.frame[0, seen], distance)  # type: ignore[attr-defined]
    return float((images - places[seen][:, None]).square().sum(-1).mean(0).min().sqrt())


def test_it_repeats_with_its_seed() -> None:
    model, _ = true_poses(SCENE)
    first, again = find_parts(model.evidence, 8, 3), find_parts(model.evidence, 8, 3)
    assert torch.equal(first.places, again.places) and torch.equal(first.seen, again.seen)
