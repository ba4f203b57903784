"""Canonical coordinate maps, both ways: from the pixels of each image to the shape, and from the shape to the pixels.

``coordinates/IMAGE.npy`` is float16 ``(224, 224, 3)``: the points of the shape behind the pixels, in the object frame,
NaN beside the shape. ``points.npy`` is float32 ``(2000, 3)``: points spread over the surface; ``reverse/IMAGE.npy`` is
float32 ``(2000, 3)``: x and y of each of them in the image's crop, in pixels, and whether it is visible there.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from daemon.formats.scene import Scene, stem
from daemon.maps import ShapeMaps
from index.library import Library


def files(library: Library, scene: Scene) -> Iterator[tuple[str, bytes]]:
    """The points, and crop and coordinate maps of each image.

    Raises:
        StateError: the stored mesh is damaged.
    """
    maps = ShapeMaps(library, scene.shape.id, scene.shape.version)
    yield "points.npy", _npy(maps.points())
    for camera in scene.cameras:
        yield f"images/{stem(camera)}.jpg", library.crop_jpeg(camera.image)
        yield f"coordinates/{stem(camera)}.npy", _npy(maps.coordinates(camera).astype(np.float16))
        yield f"reverse/{stem(camera)}.npy", _npy(maps.pixels(camera))


def _npy(array: NDArray[np.float16] | NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
