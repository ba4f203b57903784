"""One version of a shape with the images it was fitted to, as the formats of scenes and data sets need them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from index.library import Library
from index.summaries import CameraSummary, ShapeSummary
from ops.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Scene:
    """A version of a shape and the cameras of its images.

    Attributes:
        shape: the version.
        cameras: those of images that still exist and were not taken for strangers, whose cameras mean nothing; the
            sure ones alone if these were asked for.
    """

    shape: ShapeSummary
    cameras: list[CameraSummary]


def scene_of(library: Library, shape: int, version: int | None, sure: float = 0.0) -> Scene:
    """The scene of a version, by default the published one.

    Args:
        library: where it is.
        shape: its id.
        version: which version; None for the published one.
        sure: least certainty of a camera; with 0 also those that say nothing of it.

    Raises:
        NotFoundError: no such shape or version, or none of its images has a camera that is as sure.
    """
    found = library.shape(shape, version)
    cameras = [camera for camera in library.cameras(shape, found.version) if camera.weight > 0]
    if not cameras:
        raise NotFoundError(f"version {found.version} of shape {shape} has no images with a camera")
    kept = [camera for camera in cameras if sure <= 0 or (camera.certainty or 0.0) >= sure]
    if not kept:
        best = max(camera.certainty or 0.0 for camera in cameras)
        raise NotFoundError(
            f"version {found.version} of shape {shape} has no camera of certainty {sure:g}; the surest has {best:.2f}"
        )
    return Scene(found, kept)


def stem(camera: CameraSummary) -> str:
    """What files of an image are called, without an ending."""
    return f"{camera.image:09d}"


def pictures(library: Library, scene: Scene, images: str, masks: str) -> Iterator[tuple[str, bytes]]:
    """Crop and mask of each image.

    Args:
        library: where the images are.
        scene: whose images.
        images: name of an image's crop, with ``{}`` for its stem.
        masks: name of its mask.
    """
    for camera in scene.cameras:
        yield images.format(stem(camera)), library.crop_jpeg(camera.image)
        yield masks.format(stem(camera)), mask_png(library, camera.image)


def mask_png(library: Library, image: int) -> bytes:
    """Mask of an image's crop, white on the object and black elsewhere."""
    buffer = io.BytesIO()
    Image.fromarray(library.mask(image)).convert("L").save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
