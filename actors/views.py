"""From stored crops and masks to what a reconstruction sees: the border between `index` and `recon`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recon.types import Viewpoints, Views


class Patches(Protocol):
    """What views take of a backbone; see `Backbone`."""

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Dense features of crops."""

    def viewpoints(
        self, features: NDArray[np.float32], mirrored: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Guesses the side each crop is seen from."""


def make_views(backbone: Patches, ids: NDArray[np.int64], crops: NDArray[np.uint8], masks: NDArray[np.bool_]) -> Views:
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
