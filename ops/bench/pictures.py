"""A picture of a library: each shape turned, beside some of the photos it was mined from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.visual import ColorVisuals

from index.jobs import MESH
from index.library import Library, open_library
from index.summaries import ShapeSummary
from ops.errors import NotFoundError
from recon import Mesh, render_preview

_SIZE = 128
_PHOTOS = 4
_TURNS = (35.0, 125.0, 215.0, 305.0)


def draw_library(state: Path, output: Path, shapes: int = 8) -> int:
    """Draws the shapes of lowest held-out loss, one a row: photos on the left, the shape turning on the right.

    Returns:
        How many shapes were drawn.

    Raises:
        StateError: the state directory is none.
        NotFoundError: it has no shape yet.
    """
    library = open_library(state)
    try:
        best = sorted(library.shapes(limit=1000).items, key=lambda shape: shape.loss)[:shapes]
        if not best:
            raise NotFoundError(f"{state} has no shape to draw yet")
        rows = [_row(library, shape) for shape in best]
    finally:
        library.close()
    # Two shapes side by side fill a screen better than one long column.
    half = -(-len(rows) // 2)
    left, right = np.concatenate(rows[:half]), rows[half:]
    blank = np.full((_SIZE * (half - len(right)), left.shape[1], 3), 255, np.uint8)
    gap = np.full((left.shape[0], _SIZE // 4, 3), 255, np.uint8)
    picture = np.concatenate([left, gap, np.concatenate([*right, blank])], axis=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(output, optimize=True)
    return len(rows)


def _row(library: Library, shape: ShapeSummary) -> NDArray[np.uint8]:
    cameras = sorted(library.cameras(shape.id), key=lambda camera: camera.loss)
    photos = [library.crop(camera.image) for camera in cameras[:_PHOTOS]]
    small = [np.asarray(Image.fromarray(photo).resize((_SIZE, _SIZE))) for photo in photos]
    mesh = _mesh(library.artifact(shape.id, MESH))
    return np.concatenate([*small, *(render_preview(mesh, _SIZE, azimuth=turn) for turn in _TURNS)], axis=1)


def _mesh(ply: bytes) -> Mesh:
    body = trimesh.load(io.BytesIO(ply), file_type="ply", process=False)
    assert isinstance(body, trimesh.Trimesh)
    assert isinstance(body.visual, ColorVisuals)
    colors = np.asarray(body.visual.vertex_colors)[:, :3]
    return Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32), colors.astype(np.uint8))
