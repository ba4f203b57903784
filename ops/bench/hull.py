"""Visual hull of true masks and cameras: what silhouettes can give a reconstruction at best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from ops.bench.truth import Array, TrueCamera, Truth
from ops.errors import ReconstructionError

EXTENT = 0.52
"""Half side of the carved cube; a little more than half the longest side of an object."""


def visual_hull(
    masks: Sequence[NDArray[np.bool_]], cameras: Sequence[TrueCamera], resolution: int = 96
) -> trimesh.Trimesh:
    """Mesh of the voxels that no image's background sees (Laurentini, PAMI 1994).

    Args:
        masks: foreground ``(H, W)`` of each image.
        cameras: of each image.
        resolution: voxels along a side.

    Raises:
        ReconstructionError: nothing is left.
    """
    line = (np.arange(resolution) + 0.5) / resolution * 2 * EXTENT - EXTENT
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
    left = np.arange(len(points))
    for mask, camera in zip(masks, cameras, strict=True):
        left = left[_inside(points[left], mask, camera)]
    if not len(left):
        raise ReconstructionError("no voxel lies inside all masks")
    occupancy = np.zeros(resolution**3, dtype=np.float32)
    occupancy[left] = 1
    return to_mesh(occupancy.reshape(resolution, resolution, resolution))


def hull_of_shape(truth: Truth, shape: str, resolution: int = 96) -> trimesh.Trimesh:
    """Visual hull of all images of a shape."""
    images = [i for i in truth.of_shape(shape) if i.camera is not None and truth.has_mask(i.key)]
    cameras = [image.camera for image in images if image.camera is not None]
    return visual_hull([truth.mask(image.key) for image in images], cameras, resolution)


def to_mesh(occupancy: NDArray[np.float32]) -> trimesh.Trimesh:
    """Surface of a voxel cube ``(D, D, D)``, indexed x, y, z, that spans ``[-EXTENT, EXTENT]``."""
    step = 2 * EXTENT / len(occupancy)
    extracted: tuple[Array, ...] = marching_cubes(np.pad(occupancy, 1), 0.5, gradient_direction="ascent")  # type: ignore[no-untyped-call]
    vertices, faces = extracted[:2]
    return trimesh.Trimesh((vertices - 0.5) * step - EXTENT, faces, process=False)


def project(points: Array, camera: TrueCamera) -> Array:
    """Image coordinates ``(N, 2)`` of points, from (0, 0) top left to (1, 1) bottom right."""
    seen = points @ camera.R.T + camera.t
    focal = 1 / np.tan(camera.fov / 2)
    image: Array = (1 - focal * seen[:, :2] / seen[:, 2:]) / 2
    return image


def _inside(points: Array, mask: NDArray[np.bool_], camera: TrueCamera) -> NDArray[np.bool_]:
    height, width = mask.shape
    pixels = np.floor(project(points, camera) * [width, height]).astype(np.int64)
    within = ((pixels >= 0) & (pixels < [width, height])).all(1)
    clipped = np.clip(pixels, 0, [width - 1, height - 1])
    return within & mask[clipped[:, 1], clipped[:, 0]]
