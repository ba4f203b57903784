"""Canonical coordinate maps: for each image an array of the points of the shape behind its pixels.

``coordinates/IMAGE.npy`` is float16 ``(224, 224, 3)`` in the object frame, NaN beside the shape.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from daemon.formats.scene import Scene, stem
from daemon.maps import ShapeMaps
from index.library import Library


def files(library: Library, scene: Scene) -> Iterator[tuple[str, bytes]]:
    """Crop and coordinate map of each image.

    Raises:
        StateError: the stored mesh is damaged.
    """
    maps = ShapeMaps(library, scene.shape.id, scene.shape.version)
    for camera in scene.cameras:
        buffer = io.BytesIO()
        np.save(buffer, maps.coordinates(camera).astype(np.float16))
        yield f"images/{stem(camera)}.jpg", library.crop_jpeg(camera.image)
        yield f"coordinates/{stem(camera)}.npy", buffer.getvalue()
