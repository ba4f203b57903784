"""The sparse structure of a shape: keypoints, edges, deformations, and where each image shows them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from daemon.correspond import Frame, Pixel, Point
from index.jobs import KEYPOINTS
from index.keypoints import KeypointsRecord
from index.library import Library
from ops.errors import NotFoundError, StateError


@dataclass(frozen=True, slots=True)
class KeypointSight:
    """The keypoints in one image.

    Attributes:
        image: the image.
        pixels: of each keypoint, x right, y down.
        visible: whether the image shows it there; otherwise that is where its camera puts it.
        coefficients: how much of each deformation it shows, in deviations over all images.
    """

    image: int
    pixels: tuple[Pixel, ...]
    visible: tuple[bool, ...]
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Keypoints of a version of a shape.

    Attributes:
        shape: the shape.
        version: its version.
        points: in the object frame, those of the mean shape.
        edges: pairs of keypoints that are joined, counted from 0.
        bases: how each deformation moves each keypoint, strongest first: an image shows the mean shape and each of them
            times its coefficient.
        residual: root mean square of how far detected keypoints lie from the rigid ones, in half crop sides, without
            what a shift, turn and scale of each image explain.
        residual_left: what mean shape and deformations leave of it.
        original: pixels are those of the original images instead of the crops.
        images: where they are in the images that are no strangers.
    """

    shape: int
    version: int
    points: tuple[Point, ...]
    edges: tuple[tuple[int, int], ...]
    bases: tuple[tuple[Point, ...], ...]
    residual: float
    residual_left: float
    original: bool
    images: tuple[KeypointSight, ...]


def read_keypoints(library: Library, shape: int, version: int | None = None, original: bool = False) -> Keypoints:
    """Keypoints of a version, in the images that still exist.

    Args:
        library: where the shape is.
        shape: its id.
        version: which version; None for the published one.
        original: pixels of the original images, not of the crops.

    Raises:
        NotFoundError: no such shape or version, or it is from before there were keypoints.
        StateError: what is stored is damaged.
    """
    found = library.shape(shape, version).version
    kept = {camera.image for camera in library.cameras(shape, found)}
    try:
        raw = library.artifact(shape, KEYPOINTS, found)
    except NotFoundError as error:
        message = f"version {found} of shape {shape} has no keypoints; versions of before there were any have none"
        raise NotFoundError(message) from error
    try:
        record = msgspec.json.decode(raw, type=KeypointsRecord)
    except msgspec.DecodeError as error:
        raise StateError(f"the stored keypoints of shape {shape} are damaged: {error}") from error
    images = []
    for sight in record.sights:
        if sight.sample in kept:
            frame = Frame.of(library.image(sight.sample) if original else None)
            pixels = tuple(frame.outward(place) for place in sight.places)
            images.append(KeypointSight(sight.sample, pixels, sight.visible, sight.coefficients))
    return Keypoints(
        shape, found, record.points, record.edges, record.bases, record.residual, record.residual_left, original,
        tuple(images),
    )  # fmt: skip
