"""The file of a version that has its keypoints."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from actors.trial import Trial
from index.jobs import KEYPOINTS
from index.keypoints import KeypointsRecord, SightRecord
from recon import Reconstruction, Structure, Views, find_structure, join_cameras

_DIGITS = 5  # of lengths in object sizes and half crop sides; a pixel is 0.009


def keypoints_file(views: Views, found: Reconstruction, trial: Trial | None, device: str) -> dict[str, bytes]:
    """Keypoints over all images that have a camera, by file name; empty if all of them are strangers.

    Args:
        views: of all images, in rising order of their ids.
        found: with a shape, fitted to some of them.
        trial: with cameras of those that judged it, in the same order.
        device: torch device to compute on.
    """
    assert found.shape is not None
    rows = np.flatnonzero(np.isin(views.ids, found.ids))
    parts = [found.shape.cameras]
    if trial is not None:
        rows = np.concatenate([rows, np.flatnonzero(~np.isin(views.ids, found.ids))])
        parts.append(trial.cameras)
    cameras = join_cameras(parts)
    if not (cameras.weight > 0).any():
        return {}
    structure = find_structure(found.shape.mesh, cameras, views.take(rows), device)
    return {KEYPOINTS: msgspec.json.encode(_record(structure))}


def _record(found: Structure) -> KeypointsRecord:
    before, after = found.residual.tolist()
    sights = [
        SightRecord(int(image), _rounded(places), visible.tolist(), _rounded(coefficients))
        for image, places, visible, coefficients in zip(
            found.ids, found.places, found.visible, found.coefficients, strict=True
        )
    ]
    arrays = (_rounded(found.points), found.edges.tolist(), _rounded(found.bases))
    return KeypointsRecord(*arrays, round(before, _DIGITS), round(after, _DIGITS), tuple(sights))


def _rounded(array: np.ndarray[Any, Any]) -> Any:
    return np.round(array.astype(np.float64), _DIGITS).tolist()
