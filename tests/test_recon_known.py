"""Views whose rotations are known give a shape in their own frame, and nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from ops.errors import ReconstructionError
from recon import reconstruct, register
from tests.recon_scene import SMALL, cold_result, make_scene


def angles(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Degrees between rotations, nothing aligned."""
    cosines = (np.einsum("nij,nij->n", found.astype(float), true) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def test_rotations_stay_and_new_views_are_placed_in_their_frame() -> None:
    scene = make_scene(24)
    result = reconstruct(scene.views, SMALL, rotations=scene.R.astype(np.float32))
    assert result.verdict == "shape" and result.shape is not None
    assert angles(result.shape.cameras.R, scene.R).max() < 0.1
    assert result.shape.quality.silhouette_iou > 0.6
    new = make_scene(12, seed=11)
    assert np.median(angles(register(new.views, result).R, new.R)) < 20


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda R: R[1:], r"shape \(23, 3, 3\), not \(24, 3, 3\)"),
        (lambda R: 2 * R, "orthonormal"),
        (lambda R: -R, "determinant 1"),
    ],
)
def test_what_are_no_rotations_is_refused(change: object, told: str) -> None:
    scene = make_scene(24)
    with pytest.raises(ReconstructionError, match=told):
        reconstruct(scene.views, SMALL, rotations=change(scene.R.astype(np.float32)))  # type: ignore[operator]


def test_an_earlier_shape_and_rotations_are_one_start_too_many() -> None:
    scene, result = cold_result()
    with pytest.raises(ReconstructionError, match="not both"):
        reconstruct(scene.views, SMALL, warm=result, rotations=scene.R.astype(np.float32))
