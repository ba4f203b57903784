"""nerfstudio's ``transforms.json``, see "Data conventions" in nerfstudio's documentation.

Camera-to-world matrices with OpenGL axes, intrinsics for each frame, masks with black where pixels are left out. The
world is the object frame: y up, centred, longest side 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from daemon.formats.cameras import crop_pinhole, opengl_camera_to_world
from daemon.formats.scene import Scene, pictures, stem
from index.library import Library
from index.summaries import CameraSummary
from index.views import CROP_SIZE


def files(library: Library, scene: Scene, ply: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a nerfstudio data folder."""
    transforms = {
        "camera_model": "OPENCV",
        "orientation_override": "none",
        "ply_file_path": "mesh.ply",
        "frames": [_frame(camera) for camera in scene.cameras],
    }
    yield "transforms.json", msgspec.json.format(msgspec.json.encode(transforms), indent=1)
    yield "mesh.ply", ply
    yield from pictures(library, scene, "images/{}.jpg", "masks/{}.png")


def _frame(camera: CameraSummary) -> dict[str, Any]:
    lens = crop_pinhole(camera)
    return {
        "file_path": f"images/{stem(camera)}.jpg",
        "mask_path": f"masks/{stem(camera)}.png",
        "w": CROP_SIZE,
        "h": CROP_SIZE,
        "fl_x": lens.focal,
        "fl_y": lens.focal,
        "cx": lens.cx,
        "cy": lens.cy,
        "transform_matrix": opengl_camera_to_world(camera).tolist(),
    }
