"""Our cameras in the conventions of other programs.

Ours describe the square crop of side S: PyTorch3D axes (x left, y up, z forward), ``x_cam = R @ x_obj + t``, a field
of view of the crop and a principal point offset in half crop sides. They are pinhole cameras, and a pinhole they stay:
nothing is lost on the way. What the fit can't tell is how strong the perspective is. It assumes a fixed distance in
object sizes and puts all else into the focal length, so that distance and focal length are only right together.

OpenCV and COLMAP have x right, y down, z forward; OpenGL, Blender and nerfstudio x right, y up, z backward. Pixels
are counted from the corner of the image: the centre of the first one is at (0.5, 0.5), as COLMAP has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.summaries import CameraSummary, ImageSummary
from index.views import CROP_SIZE

Matrix = NDArray[np.float64]
_TO_OPENCV = np.diag([-1.0, -1.0, 1.0])
_TO_OPENGL = np.diag([-1.0, 1.0, -1.0])


@dataclass(frozen=True, slots=True)
class Pinhole:
    """Intrinsics in pixels; pixels are square."""

    focal: float
    cx: float
    cy: float

    @property
    def matrix(self) -> list[list[float]]:
        """The calibration matrix, row by row."""
        return [[self.focal, 0.0, self.cx], [0.0, self.focal, self.cy], [0.0, 0.0, 1.0]]


def crop_pinhole(camera: CameraSummary, side: int = CROP_SIZE) -> Pinhole:
    """Intrinsics of a crop shown with ``side`` pixels."""
    half = side / 2
    focal = half / np.tan(np.radians(camera.fov) / 2)
    return Pinhole(float(focal), half * (1 + camera.offset[0]), half * (1 + camera.offset[1]))


def original_pinhole(camera: CameraSummary, image: ImageSummary) -> Pinhole:
    """Intrinsics of the whole image that the crop was cut from; its pose is the crop's."""
    x0, y0, x1, _ = image.box
    crop = crop_pinhole(camera)
    scale = (x1 - x0) / CROP_SIZE
    return Pinhole(crop.focal * scale, x0 + crop.cx * scale, y0 + crop.cy * scale)


def opencv_pose(camera: CameraSummary) -> Matrix:
    """Object to camera ``(4, 4)`` with OpenCV's axes."""
    return _pose(_TO_OPENCV, camera)


def opengl_camera_to_world(camera: CameraSummary) -> Matrix:
    """Camera to object ``(4, 4)`` with OpenGL's axes."""
    return np.asarray(np.linalg.inv(_pose(_TO_OPENGL, camera)), np.float64)


def _pose(axes: Matrix, camera: CameraSummary) -> Matrix:
    pose = np.eye(4)
    pose[:3, :3] = axes @ np.asarray(camera.R, np.float64)
    pose[:3, 3] = axes @ np.asarray(camera.t, np.float64)
    return pose
