"""COLMAP's text format: cameras.txt, images.txt and points3D.txt, see "Output Format" in COLMAP's documentation.

Each image has a PINHOLE camera of its own. Points are vertices of the mesh, without observations: enough to start
Gaussian splatting from, and to see that cameras and shape fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from daemon.formats.cameras import crop_pinhole, opencv_pose
from daemon.formats.gltf import vertex_colours
from daemon.formats.scene import Scene, pictures, stem
from index.library import Library
from index.views import CROP_SIZE

if TYPE_CHECKING:
    import trimesh

_MOST_POINTS = 20_000


def files(library: Library, scene: Scene, mesh: trimesh.Trimesh) -> Iterator[tuple[str, bytes]]:
    """The files of a COLMAP project: ``sparse/0``, ``images`` and ``masks``."""
    yield "sparse/0/cameras.txt", _cameras(scene).encode()
    yield "sparse/0/images.txt", _images(scene).encode()
    yield "sparse/0/points3D.txt", _points(mesh).encode()
    # COLMAP looks for the mask of images/a.jpg at masks/a.jpg.png.
    yield from pictures(library, scene, "images/{}.jpg", "masks/{}.jpg.png")


def _cameras(scene: Scene) -> str:
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, fx, fy, cx, cy"]
    for number, camera in enumerate(scene.cameras, 1):
        lens = crop_pinhole(camera)
        size = f"{CROP_SIZE} {CROP_SIZE}"
        lines.append(f"{number} PINHOLE {size} {lens.focal:.9g} {lens.focal:.9g} {lens.cx:.9g} {lens.cy:.9g}")
    return "\n".join(lines) + "\n"


def _images(scene: Scene) -> str:
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; an empty line of 2D points follows each"]
    for number, camera in enumerate(scene.cameras, 1):
        pose = opencv_pose(camera)
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        numbers = " ".join(f"{value:.12g}" for value in (w, x, y, z, *pose[:3, 3]))
        lines += [f"{number} {numbers} {number} {stem(camera)}.jpg", ""]
    return "\n".join(lines) + "\n"


def _points(mesh: trimesh.Trimesh) -> str:
    count = len(mesh.vertices)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]"]
    colours = vertex_colours(mesh)
    for number, vertex in enumerate(chosen, 1):
        x, y, z = mesh.vertices[vertex]
        red, green, blue = colours[vertex][:3]
        lines.append(f"{number} {x:.9g} {y:.9g} {z:.9g} {red} {green} {blue} 0")
    return "\n".join(lines) + "\n"
