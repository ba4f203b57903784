"""Rotation errors of recovered cameras after one global rotation of the object frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

INLIER = 30.0
"""Cameras within this many degrees of the best candidate take part in its refinement."""


@dataclass(frozen=True, slots=True)
class PoseScore:
    """Rotation errors of a set of cameras.

    Attributes:
        median: median error in degrees.
        under_30: share of errors under 30 degrees.
        over_120: share of errors over 120 degrees.
        count: number of cameras.
    """

    median: float
    under_30: float
    over_120: float
    count: int


def align_rotations(estimated: Array, true: Array) -> Array:
    """The rotation G ``(3, 3)`` from the estimated to the true object frame: ``estimated ~ true @ G``.

    Each camera proposes its own relative rotation; the proposal with the least mean error, capped so that
    wrong cameras do not pull, is refined by averaging (chordal L2 mean) the proposals close to it.

    Args:
        estimated: ``(N, 3, 3)`` recovered rotations, object to camera.
        true: ``(N, 3, 3)`` true ones, in the same order and camera axes.
    """
    proposals = np.swapaxes(true, 1, 2) @ estimated
    flat = proposals.reshape(-1, 9)
    capped = np.minimum(_angles(flat @ flat.T), 2 * INLIER)
    best: Array = proposals[capped.mean(0).argmin()]
    for _ in range(5):
        errors = _angles(flat @ best.reshape(9))
        best = Rotation.from_matrix(proposals[errors < INLIER]).mean().as_matrix()
    return best


def rotation_errors(estimated: Array, true: Array, aligned: Array | None = None) -> Array:
    """Errors ``(N,)`` in degrees of rotations ``(N, 3, 3)`` after the global rotation ``aligned``.

    Without ``aligned`` it is found by :func:`align_rotations`.
    """
    if aligned is None:
        aligned = align_rotations(estimated, true)
    return _angles(np.einsum("nij,nij->n", estimated, true @ aligned))


def score_poses(errors: Array) -> PoseScore:
    """Summary of errors ``(N,)`` in degrees, N at least 1."""
    return PoseScore(float(np.median(errors)), float(np.mean(errors < 30)), float(np.mean(errors > 120)), len(errors))


def random_rotations(count: int, seed: int) -> Array:
    """Uniformly distributed rotations ``(N, 3, 3)``."""
    return np.asarray(Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix())


def _angles(trace: Array) -> Array:
    """Rotation angles in degrees from the traces of relative rotations."""
    degrees: Array = np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    return degrees
