"""A data set of webdataset shards: each sample an image, its mask and its pose.

A sample is ``SHAPE-IMAGE.jpg`` (the crop), ``.mask.png`` and ``.json``; the JSON has the calibration matrix ``K`` and
the object-to-camera pose with OpenCV's axes, for the crop and for the original image, which shares the pose.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.formats.archive import add_to_tar
from daemon.formats.cameras import crop_pinhole, opencv_pose, original_pinhole
from daemon.formats.scene import Scene, mask_png, scene_of
from index.jobs import MESH
from index.library import Library
from index.paging import MAX_LIMIT
from index.summaries import CameraSummary
from index.views import CROP_SIZE
from ops.errors import ConfigError, NotFoundError

Sample = list[tuple[str, bytes]]
Write = Callable[[Path, bytes], None]
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What a data set holds."""

    folder: str
    shapes: int
    images: int
    shards: int


def shape_tar(library: Library, scene: Scene) -> bytes:
    """All samples of one shape as one shard."""
    return _tar(samples(library, scene))


def samples(library: Library, scene: Scene) -> Iterator[Sample]:
    """The files of each image of a shape."""
    for camera in scene.cameras:
        stem = f"{scene.shape.id:06d}-{camera.image:09d}"
        yield [
            (f"{stem}.jpg", library.crop_jpeg(camera.image)),
            (f"{stem}.json", msgspec.json.encode(_describe(library, scene, camera))),
            (f"{stem}.mask.png", mask_png(library, camera.image)),
        ]


def write_dataset(
    library: Library, folder: Path, per_shard: int, write: Write, tell: Tell, sure: float = 0.0
) -> Written:
    """Writes the images and meshes of all published shapes.

    Shards are written one after another, so that memory stays bounded; ``index.json`` comes last and says what a
    whole data set holds. A folder that has one is refused rather than mixed with.

    Args:
        library: what is written.
        folder: where to; made if missing.
        per_shard: samples a shard.
        write: writes one file, whole or not at all.
        tell: told how many of how many shapes are done.
        sure: least certainty of the cameras whose images are written; shapes without one are left out.

    Raises:
        ConfigError: the folder holds a data set already, or can't be written.
    """
    if (folder / "index.json").exists():
        raise ConfigError(f"{folder} holds a data set already; choose another folder")
    try:
        (folder / "meshes").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from error
    total = library.status().shapes
    waiting: list[Sample] = []
    shapes = images = shards = 0
    for scene in _scenes(library, sure):
        write(
            folder / "meshes" / f"{scene.shape.id:06d}.ply", library.artifact(scene.shape.id, MESH, scene.shape.version)
        )
        shapes += 1
        for sample in samples(library, scene):
            waiting.append(sample)
            images += 1
            if len(waiting) == per_shard:
                write(folder / f"{shards:05d}.tar", _tar(iter(waiting)))
                waiting, shards = [], shards + 1
        tell(shapes, total)
    if waiting:
        write(folder / f"{shards:05d}.tar", _tar(iter(waiting)))
        shards += 1
    written = Written(str(folder), shapes, images, shards)
    write(folder / "index.json", msgspec.json.format(msgspec.json.encode(written), indent=1))
    return written


def _scenes(library: Library, sure: float) -> Iterator[Scene]:
    after: str | None = None
    while True:
        page = library.shapes(order="id", after=after, limit=MAX_LIMIT)
        for shape in page.items:
            try:
                yield scene_of(library, shape.id, shape.version, sure)
            except NotFoundError:
                continue  # no camera is as sure, or all of its images were deleted, or it was, since the page was made
        if page.next is None:
            return
        after = page.next


def _tar(chosen: Iterator[Sample]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for sample in chosen:
            for name, data in sample:
                add_to_tar(archive, name, data)
    return buffer.getvalue()


def _describe(library: Library, scene: Scene, camera: CameraSummary) -> dict[str, object]:
    image = library.image(camera.image)
    return {
        "shape": scene.shape.id,
        "version": scene.shape.version,
        "image": camera.image,
        "source": image.shard,
        "key": image.key,
        "url": image.url,
        "width": CROP_SIZE,
        "height": CROP_SIZE,
        "K": crop_pinhole(camera).matrix,
        "object_to_camera": opencv_pose(camera).tolist(),
        "original": {
            "width": image.width,
            "height": image.height,
            "box": image.box,
            "K": original_pinhole(camera, image).matrix,
        },
        "loss": camera.loss,
        "weight": camera.weight,
        "certainty": camera.certainty,
    }
