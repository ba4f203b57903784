from __future__ import annotations

import numpy as np
import torch

from recon.factorize import Factorization, factorize, reversed_depth
from recon.parts import Keypoints
from tests.recon_scene import look, rotation_errors

VIEWS, PARTS = 30, 16


def measured(missing: float = 0.3, noise: float = 0.01, wrong: float = 0.0) -> tuple[Keypoints, np.ndarray]:
    """Keypoints of random points seen by scaled orthographic cameras, and the cameras' rotations."""
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.5, (PARTS, 3))
    R = np.stack(
        [look(*angles) for angles in zip(rng.uniform(0, 6.28, VIEWS), rng.uniform(0, 0.8, VIEWS), strict=True)]
    )
    scale, offset = rng.uniform(0.8, 1.2, (VIEWS, 1, 1)), rng.normal(0, 0.1, (VIEWS, 1, 2))
    places = -scale * np.einsum("nij,kj->nki", R[:, :2], points) + offset + rng.normal(0, noise, (VIEWS, PARTS, 2))
    astray = rng.random((VIEWS, PARTS)) < wrong
    places[astray] = rng.uniform(-1, 1, (int(astray.sum()), 2))
    seen = rng.random((VIEWS, PARTS)) > missing
    return Keypoints(torch.tensor(places * seen[..., None]).float(), torch.tensor(seen)), R


def rotations(found: Factorization) -> np.ndarray:
    left, up = (-found.motion / found.motion.norm(dim=-1, keepdim=True)).unbind(1)
    return torch.stack([left, up, torch.cross(left, up, dim=-1)], 1).double().numpy()


def best_errors(found: Factorization, R: np.ndarray) -> np.ndarray:
    """Of the two solutions that differ in depth."""
    both = [rotation_errors(rotations(rival), R) for rival in (found, reversed_depth(found))]
    return min(both, key=lambda errors: float(np.median(errors)))


def test_cameras_come_back_in_spite_of_gaps() -> None:
    points, R = measured()
    found = factorize(points)
    assert best_errors(found, R).max() < 5
    assert found.residual.max() < 0.05


def test_one_keypoint_in_ten_may_be_astray() -> None:
    points, R = measured(wrong=0.1)
    assert np.median(best_errors(factorize(points), R)) < 10


def test_reversed_depth_has_the_same_image_and_other_cameras() -> None:
    points, R = measured()
    found = factorize(points)
    other = reversed_depth(found)
    image = [torch.einsum("ndc,kc->nkd", each.motion, each.structure) for each in (found, other)]
    assert torch.allclose(*image, atol=1e-6)
    assert abs(np.median(rotation_errors(rotations(found), R)) - np.median(rotation_errors(rotations(other), R))) > 10


def test_rows_are_orthogonal_and_of_one_length() -> None:
    found = factorize(measured()[0])
    gram = found.motion @ found.motion.transpose(1, 2)
    assert torch.allclose(gram[:, 0, 1], torch.zeros(VIEWS), atol=1e-4)
    assert torch.allclose(gram[:, 0, 0], gram[:, 1, 1], rtol=1e-3)
