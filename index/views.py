"""What a backbone makes of an image: the object's crop, its mask and its descriptor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CROP_SIZE = 224
"""Side of the stored object crop in pixels."""


MOST_OBJECTS = 4
"""Objects that are taken of one image, unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object as seen in one image.

    Attributes:
        descriptor: ``(D,)`` float32, unit length; what clustering compares.
        crop: ``(CROP_SIZE, CROP_SIZE, 3)`` uint8 RGB; square cut around the object, background kept,
            padded with neutral grey where it reaches beyond the image.
        mask: ``(CROP_SIZE, CROP_SIZE)`` bool, the foreground within the crop.
        box: ``(x0, y0, x1, y1)`` of the square crop in pixels of the original image, from its top left;
            may reach beyond the image.
        image_size: ``(width, height)`` of the original image.
        foreground: share of the original image that is foreground, in [0, 1].
    """

    descriptor: NDArray[np.float32]
    crop: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: tuple[float, float, float, float]
    image_size: tuple[int, int]
    foreground: float
