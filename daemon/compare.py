"""Two versions of a shape side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from index.library import Library
from index.summaries import CameraSummary, ShapeSummary


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two versions.

    Object frames of two versions need not be turned alike, so cameras are compared after the turn that brings them
    together best.

    Attributes:
        version: the one.
        other: the other.
        loss_change: held-out loss of the other less that of the one; negative is better.
        iou_change: the same for the silhouettes' IoU; positive is better.
        images_gained: images that only the other has a camera of.
        images_lost: images that only the one has a camera of.
        images_kept: images that both have a camera of.
        turn: degrees between the two object frames, None without images in both.
        camera_change: median of the degrees that cameras of such images differ after that turn, None without any.
    """

    version: ShapeSummary
    other: ShapeSummary
    loss_change: float
    iou_change: float
    images_gained: list[int]
    images_lost: list[int]
    images_kept: int
    turn: float | None
    camera_change: float | None


def compare(library: Library, shape: int, version: int, other: int) -> Comparison:
    """Compares two versions of a shape, published or not.

    Raises:
        NotFoundError: there is no such shape or version.
    """
    one, two = library.shape(shape, version), library.shape(shape, other)
    first, second = (_trusted(library.cameras(shape, number)) for number in (version, other))
    kept = sorted(first.keys() & second.keys())
    turn, change = _turned([first[i] for i in kept], [second[i] for i in kept]) if kept else (None, None)
    return Comparison(
        one, two, two.loss - one.loss, two.silhouette_iou - one.silhouette_iou, sorted(second.keys() - first.keys()),
        sorted(first.keys() - second.keys()), len(kept), turn, change,
    )  # fmt: skip


def _trusted(cameras: list[CameraSummary]) -> dict[int, NDArray[np.float64]]:
    return {camera.image: np.array(camera.R, np.float64) for camera in cameras if camera.weight > 0}


def _turned(ones: list[NDArray[np.float64]], twos: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Degrees of the mean turn between two object frames, and the median of what is left of it."""
    between = Rotation.from_matrix(np.stack([two.T @ one for one, two in zip(ones, twos, strict=True)]))
    mean = between.mean()
    left = (mean.inv() * between).magnitude()
    return float(np.degrees(mean.magnitude())), float(np.degrees(np.median(left)))
