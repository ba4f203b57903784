"""From stored crops and masks to what a reconstruction sees: the border between `index` and `recon`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index.backbones.base import Backbone
from recon.types import Viewpoints, Views


def make_views(backbone: Backbone, ids: NDArray[np.int64], crops: NDArray[np.uint8], masks: NDArray[np.bool_]) -> Views:
    """Views of one cluster, with the backbone's features and what it guesses of their viewpoints.

    Args:
        backbone: computes the features.
        ids: ``(N,)`` the caller's identifiers.
        crops: ``(N, CROP_SIZE, CROP_SIZE, 3)`` RGB.
        masks: ``(N, CROP_SIZE, CROP_SIZE)`` foreground.
    """
    features, mirrored = backbone.patches(crops), backbone.patches(np.ascontiguousarray(crops[:, :, ::-1]))
    guessed = backbone.viewpoints(features, mirrored, masks)
    return Views(ids, crops, masks, features, mirrored, guessed and Viewpoints(*guessed))
