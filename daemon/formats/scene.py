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
        cameras: those of images that still exist and were not taken for strangers, whose cameras mean nothing.
    """

    shape: ShapeSummary
    cameras: list[CameraSummary]


def scene_of(library: Library, shape: int, version: int | None) -> Scene:
    """The scene of a version, by default the published one.

    Raises:
        NotFoundError: no such shape or version, or none of its images has a camera.
    """
    found = library.shape(shape, version)
    cameras = [camera for camera in library.cameras(shape, found.version) if camera.weight > 0]
    if not cameras:
        raise NotFoundError(f"version {found.version} of shape {shape} has no images with a camera")
    return Scene(found, cameras)


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
