"""From where was this image taken? Registers a query image to the shapes it may show."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from index.jobs import FIELD
from index.library import Library
from index.reading import camera_summary
from index.summaries import PoseSummary
from index.views import CROP_SIZE, ObjectView
from ops.errors import StateError

if TYPE_CHECKING:
    from index.backbones import Backbone


@dataclass(frozen=True, slots=True)
class Registration:
    """The camera that a query image was taken with, seen from a shape.

    Attributes:
        R: rotation, object to camera, PyTorch3D axes; ``x_cam = R @ x_obj + t``.
        t: translation in object sizes.
        fov: field of view of the crop in degrees.
        offset: of the principal point in half crop sides, x right, y down.
        box: the crop in pixels of the query image.
        azimuth: degrees around the shape, 0 at its front.
        elevation: degrees above its horizon.
        loss: reprojection loss in [0, 1].
        certainty: odds, of 1, that it was taken from there; None if the shape is too old to tell.
        alternatives: with their odds, other cameras it may have been taken with, the likeliest first.
        stranger: the image does not seem to show this shape.
        overlay: the shape drawn over the crop, a PNG in base64.
    """

    R: tuple[tuple[float, ...], ...]
    t: tuple[float, ...]
    fov: float
    offset: tuple[float, ...]
    box: tuple[float, ...]
    azimuth: float
    elevation: float
    loss: float
    certainty: float | None
    alternatives: tuple[PoseSummary, ...]
    stranger: bool
    overlay: str


def register_view(library: Library, backbone: Backbone, view: ObjectView, shape: int, version: int) -> Registration:
    """Finds the camera of a view of a shape.

    Raises:
        NotFoundError: there is no such version.
        StateError: the stored field is damaged.
    """
    from actors.cameras import camera_records  # torch takes seconds to import
    from actors.views import make_views
    from ops.errors import ReconstructionError
    from recon import Reconstruction, register, render_overlay

    views = make_views(backbone, np.zeros(1, np.int64), view.crop[None], view.mask[None])
    try:
        known = Reconstruction.from_bytes(library.artifact(shape, FIELD, version))
        cameras = register(views, known)
    except ReconstructionError as error:
        raise StateError(f"version {version} of shape {shape} can't be registered to: {error}") from error
    assert known.shape is not None  # or it could not be registered to
    azimuth, elevation = viewpoint(cameras.R[0])
    found = camera_summary(camera_records([0], cameras, ())[0])
    return Registration(
        R=found.R,
        t=found.t,
        fov=found.fov,
        offset=found.offset,
        box=view.box,
        azimuth=azimuth,
        elevation=elevation,
        loss=found.loss,
        certainty=found.certainty,
        alternatives=found.alternatives,
        stranger=not found.weight > 0,
        overlay=_png(render_overlay(known.shape.mesh, cameras, 0, view.crop)),
    )


def viewpoint(R: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    """Azimuth in [0, 360) and elevation, in degrees, of where a camera of this rotation stands."""
    towards = -np.asarray(R, np.float64)[2]
    return (
        float(np.degrees(np.arctan2(towards[0], towards[2])) % 360),
        float(np.degrees(np.arcsin(np.clip(towards[1], -1, 1)))),
    )


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> str:
    assert pixels.shape == (CROP_SIZE, CROP_SIZE, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
