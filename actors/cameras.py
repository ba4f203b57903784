"""Cameras of a reconstruction as records of the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.records import CameraRecord, PoseRecord
from recon import Alternatives, Cameras


def camera_records(samples: Sequence[int], cameras: Cameras, fitted: Collection[int]) -> list[CameraRecord]:
    """The records of cameras, angles in degrees.

    Args:
        samples: images, in the order of the cameras.
        cameras: of these.
        fitted: those of the images that the shape was fitted to.
    """
    return [
        CameraRecord(
            sample,
            *_pose(cameras, (row,)),
            loss=float(cameras.loss[row]),
            weight=float(cameras.weight[row]),
            fitted=sample in fitted,
            **_told(cameras.alternatives, row),
        )
        for row, sample in enumerate(samples)
    ]


def _told(found: Alternatives | None, row: int) -> dict[str, Any]:
    """How sure a camera is, and the alternatives to it."""
    if found is None:
        return {}
    weights = found.weight[row]
    there: list[int] = np.flatnonzero(weights > 0).tolist()
    others = tuple(PoseRecord(*_pose(found, (row, place)), weight=float(weights[place])) for place in there)
    return {"certainty": float(found.certainty[row]), "alternatives": others}


def _pose(cameras: Cameras | Alternatives, place: tuple[int, ...]) -> tuple[Any, Any, float, Any]:
    """Rotation, translation, field of view in degrees, and offset of one of them."""
    return (
        tuple(_floats(row) for row in cameras.R[place]),
        _floats(cameras.t[place]),
        float(np.degrees(cameras.fov[place])),
        _floats(cameras.offset[place]),
    )


def _floats(values: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
