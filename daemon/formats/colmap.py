"""COLMAP's text format: cameras.txt, images.txt and points3D.txt, see "Output Format" in COLMAP's documentation.

Each image has a PINHOLE camera of its own. Points are vertices of the mesh, without observations: enough to start
Gaussian splatting from, and to see that cameras and shape fit. Where the version has keypoints, they are points with
observations in the images that show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from daemon.formats.cameras import crop_pinhole, opencv_pose
from daemon.formats.gltf import vertex_colours
from daemon.formats.scene import Scene, pictures, stem
from daemon.keypoints import Keypoints
from index.library import Library
from index.summaries import CameraSummary
from index.views import CROP_SIZE

if TYPE_CHECKING:
    import trimesh

_MOST_POINTS = 20_000
_KEYPOINT_COLOUR = "255 60 180"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A keypoint in an image: its pixel, and how far that is from where the image's camera has the keypoint."""

    image: int
    x: float
    y: float
    error: float


def files(
    library: Library, scene: Scene, mesh: trimesh.Trimesh, keypoints: Keypoints | None
) -> Iterator[tuple[str, bytes]]:
    """The files of a COLMAP project: ``sparse/0``, ``images`` and ``masks``."""
    vertices = _chosen(mesh)
    seen = _observations(scene, keypoints)
    yield "sparse/0/cameras.txt", _cameras(scene).encode()
    yield "sparse/0/images.txt", _images(scene, seen, len(vertices) + 1).encode()
    points = [_points(mesh, vertices), *_tracks(keypoints, seen, len(vertices) + 1)]
    yield "sparse/0/points3D.txt", "".join(points).encode()
    # COLMAP looks for the mask of images/a.jpg at masks/a.jpg.png.
    yield from pictures(library, scene, "images/{}.jpg", "masks/{}.jpg.png")


def _observations(scene: Scene, keypoints: Keypoints | None) -> dict[int, list[_Seen]]:
    """Where each keypoint is seen, in the order of the images."""
    if keypoints is None:
        return {}
    sights = {sight.image: sight for sight in keypoints.images}
    found: dict[int, list[_Seen]] = {number: [] for number in range(len(keypoints.points))}
    for image, camera in enumerate(scene.cameras, 1):
        if (sight := sights.get(camera.image)) is None:
            continue
        expected = _project(np.array(keypoints.points), camera)
        for number, (pixel, visible) in enumerate(zip(sight.pixels, sight.visible, strict=True)):
            if visible:
                found[number].append(_Seen(image, *pixel, float(np.linalg.norm(expected[number] - pixel))))
    return found


def _project(points: NDArray[np.float64], camera: CameraSummary) -> NDArray[np.float64]:
    pose, lens = opencv_pose(camera), crop_pinhole(camera)
    seen = points @ pose[:3, :3].T + pose[:3, 3]
    found: NDArray[np.float64] = lens.focal * seen[:, :2] / seen[:, 2:] + (lens.cx, lens.cy)
    return found


def _cameras(scene: Scene) -> str:
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, fx, fy, cx, cy"]
    for number, camera in enumerate(scene.cameras, 1):
        lens = crop_pinhole(camera)
        size = f"{CROP_SIZE} {CROP_SIZE}"
        lines.append(f"{number} PINHOLE {size} {lens.focal:.9g} {lens.focal:.9g} {lens.cx:.9g} {lens.cy:.9g}")
    return "\n".join(lines) + "\n"


def _images(scene: Scene, seen: Mapping[int, list[_Seen]], first: int) -> str:
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; the 2D points of each follow it"]
    for number, camera in enumerate(scene.cameras, 1):
        pose = opencv_pose(camera)
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        numbers = " ".join(f"{value:.12g}" for value in (w, x, y, z, *pose[:3, 3]))
        lines.append(f"{number} {numbers} {number} {stem(camera)}.jpg")
        here = [(keypoint, one) for keypoint, all in seen.items() for one in all if one.image == number]
        lines.append(" ".join(f"{one.x:.6g} {one.y:.6g} {first + keypoint}" for keypoint, one in here))
    return "\n".join(lines) + "\n"


def _chosen(mesh: trimesh.Trimesh) -> NDArray[np.int64]:
    count = len(mesh.vertices)
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(np.int64))


def _points(mesh: trimesh.Trimesh, chosen: NDArray[np.int64]) -> str:
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]"]
    colours = vertex_colours(mesh)
    for number, vertex in enumerate(chosen, 1):
        x, y, z = mesh.vertices[vertex]
        red, green, blue = colours[vertex][:3]
        lines.append(f"{number} {x:.9g} {y:.9g} {z:.9g} {red} {green} {blue} 0")
    return "\n".join(lines) + "\n"


def _tracks(keypoints: Keypoints | None, seen: Mapping[int, list[_Seen]], first: int) -> Iterator[str]:
    """Lines of the keypoints; a 2D point goes by its place in its image's line, which has the keypoints in order."""
    if keypoints is None:
        return
    places: dict[int, int] = {}
    for number, (x, y, z) in enumerate(keypoints.points):
        track = []
        for one in seen[number]:
            track.append(f"{one.image} {places.get(one.image, 0)}")
            places[one.image] = places.get(one.image, 0) + 1
        error = float(np.mean([one.error for one in seen[number]])) if track else 0.0
        yield " ".join([f"{first + number} {x:.9g} {y:.9g} {z:.9g} {_KEYPOINT_COLOUR} {error:.6g}", *track]) + "\n"
