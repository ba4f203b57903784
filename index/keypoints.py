"""Keypoints of a version of a shape, as the file that keeps them."""

from __future__ import annotations

import msgspec


class SightRecord(msgspec.Struct, frozen=True):
    """Keypoints of a shape in one image.

    Attributes:
        sample: the image.
        places: of each keypoint in its crop, in half crop sides from the middle, x right, y down.
        visible: whether the image shows it there; otherwise that is where its camera puts it.
        coefficients: how much of each deformation it shows.
    """

    sample: int
    places: tuple[tuple[float, float], ...]
    visible: tuple[bool, ...]
    coefficients: tuple[float, ...]


class KeypointsRecord(msgspec.Struct, frozen=True):
    """Keypoints of a version of a shape, kept as a file of it.

    Attributes:
        points: in the object frame, those of the mean shape.
        edges: pairs of keypoints that are joined.
        bases: how each deformation moves each keypoint, strongest first.
        residual: root mean square of visible places less the rigid keypoints', in half crop sides.
        residual_left: what mean and deformations leave of it.
        sights: of the images that are no strangers.
    """

    points: tuple[tuple[float, float, float], ...]
    edges: tuple[tuple[int, int], ...]
    bases: tuple[tuple[tuple[float, float, float], ...], ...]
    residual: float
    residual_left: float
    sights: tuple[SightRecord, ...]
