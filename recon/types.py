"""Data that enters and leaves a reconstruction.

Object frame: right-handed, y up, centred, longest bounding-box side 1. Cameras follow PyTorch3D's axes
(x left, y up, z forward) with ``x_cam = R @ x_obj + t``; they describe the square object crop, whose
centre is the principal point unless ``offset`` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ARRAYS = ("ids", "crops", "masks", "features", "flipped_features")
"""Names of the arrays that views always have."""

CAMERA_ARRAYS = ("R", "t", "fov", "offset", "loss", "weight")
"""Names of the arrays that cameras always have."""

Verdict = Literal["shape", "too_few_views", "rotational_symmetry", "thin_evidence"]


@dataclass(frozen=True, slots=True)
class Viewpoints:
    """What single images tell of the side they were taken from; a guess to start a search with.

    Attributes:
        azimuth: ``(N, A)`` float32 log odds of the azimuths 0, 360 / A, ... degrees, the same side of the object
            being the front in all views as far as can be told.
        elevation: ``(N,)`` float32 degrees.
    """

    azimuth: NDArray[np.float32]
    elevation: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Views:
    """Images of one cluster, each cut square around its object.

    Attributes:
        ids: ``(N,)`` int64, the caller's identifiers, kept in the result.
        crops: ``(N, S, S, 3)`` uint8 RGB.
        masks: ``(N, S, S)`` bool foreground.
        features: ``(N, C, G, G)`` float32 dense patch features of the crops.
        flipped_features: ``(N, C, G, G)`` float32 features of the horizontally mirrored crops.
        viewpoints: where the images seem to be taken from, if anything can tell.
    """

    ids: NDArray[np.int64]
    crops: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    features: NDArray[np.float32]
    flipped_features: NDArray[np.float32]
    viewpoints: Viewpoints | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.int64]) -> Views:
        """The views at ``index``, in its order."""
        arrays = {name: getattr(self, name)[index] for name in ARRAYS}
        seen = self.viewpoints
        return Views(**arrays, viewpoints=seen and Viewpoints(seen.azimuth[index], seen.elevation[index]))


@dataclass(frozen=True, slots=True)
class Alternatives:
    """How sure cameras are, and other poses that their views may have been taken from; row i for view i.

    Attributes:
        certainty: ``(N,)`` float32 odds, of 1, that a view's own camera is right.
        R: ``(N, M, 3, 3)`` float32 of the alternatives, the likeliest first.
        t: ``(N, M, 3)`` float32.
        fov: ``(N, M)`` float32.
        offset: ``(N, M, 2)`` float32.
        weight: ``(N, M)`` float32 odds of each, 0 where there is none; what these and the certainty leave of 1 are
            those that the view was taken from elsewhere.
    """

    certainty: NDArray[np.float32]
    R: NDArray[np.float32]
    t: NDArray[np.float32]
    fov: NDArray[np.float32]
    offset: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cameras:
    """Recovered cameras of the views, row i for view i.

    Attributes:
        R: ``(N, 3, 3)`` float32 rotations, object to camera.
        t: ``(N, 3)`` float32 translations in object units.
        fov: ``(N,)`` float32 full field of view of the crop in radians.
        offset: ``(N, 2)`` float32 principal point offset in half crop sides (x right, y down).
        loss: ``(N,)`` float32 reprojection loss in [0, 1] against a field the view was not fitted to.
        weight: ``(N,)`` float32 in [0, 1]; 0 for views rejected as strangers.
        alternatives: how sure they are, and where else the views may have been taken from; None where nobody asked.
    """

    R: NDArray[np.float32]
    t: NDArray[np.float32]
    fov: NDArray[np.float32]
    offset: NDArray[np.float32]
    loss: NDArray[np.float32]
    weight: NDArray[np.float32]
    alternatives: Alternatives | None = field(default=None, kw_only=True)

    @property
    def certainty(self) -> float | None:
        """Share of them that should be right, of views that are no strangers; None where nobody asked."""
        kept = self.weight > 0
        if self.alternatives is None or not kept.any():
            return None
        return float(self.alternatives.certainty[kept].mean())


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangle mesh in the object frame.

    Attributes:
        vertices: ``(V, 3)`` float32.
        faces: ``(F, 3)`` int32, counter-clockwise seen from outside.
        colors: ``(V, 3)`` uint8 RGB.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Quality:
    """The judge of a shape, measured on views the field was not fitted to.

    Attributes:
        loss: held-out reprojection loss in [0, 1]: ``1 - score`` averaged over views, lower is better.
        silhouette_iou: mean IoU of rendered and given masks.
        feature_distance: mean cosine distance of rendered and given features on the common foreground.
        views: number of views that took part.
        margin: how far the best pose elsewhere scores below a view's own, in standard deviations over all poses, mean
            over the views; None where nobody asked.
    """

    loss: float
    silhouette_iou: float
    feature_distance: float
    views: int
    margin: float | None = None
