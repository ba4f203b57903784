"""From a saliency map to the object: its box, its square crop, its mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from index.views import CROP_SIZE

MARGIN = 1.2
"""Side of the square crop over the longer side of the object's box."""

MIN_FOREGROUND = 0.004
"""Least share of the image an object must cover; under it, 14 pixels across of 224, nothing is left to embed."""

MAX_FOREGROUND = 0.98
"""Share from which on nothing stands out: an empty wall, a texture, a page of text."""

MIN_SIDE = 16
"""Least side of an image in pixels."""

KEPT_COMPONENT = 0.2
"""Components of at least this share of the largest one belong to the object too: a chair behind its slats."""

BACKDROP = 128
"""Neutral grey put in place of the background and beyond the image's edge."""

Box = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in pixels from the image's top left."""


def squash(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an image ``(H, W, 3)`` to ``(size, size, 3)``, giving up its aspect ratio.

    Squashing rather than padding spends every pixel of the saliency model's input on the image.
    """
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def main_components(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected component of ``(H, W)`` and those comparable to it; drop the specks."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int8))
    if count < 2:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept: NDArray[np.bool_] = (areas >= KEPT_COMPONENT * areas.max())[labels]
    return kept & mask


def box_around(mask: NDArray[np.bool_], image_size: tuple[int, int]) -> Box:
    """The square crop around an object, with its margin; it may reach beyond the image.

    Args:
        mask: ``(H, W)``, of the image at any scale, or squashed; not empty.
        image_size: ``(width, height)`` of the image in pixels.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    scale_x, scale_y = image_size[0] / mask.shape[1], image_size[1] / mask.shape[0]
    x0, x1 = columns[0] * scale_x, (columns[-1] + 1) * scale_x
    y0, y1 = rows[0] * scale_y, (rows[-1] + 1) * scale_y
    half = MARGIN * max(x1 - x0, y1 - y0) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return float(x - half), float(y - half), float(x + half), float(y + half)


def cut(image: NDArray[Any], box: Box, fill: float) -> NDArray[Any]:
    """Cut a box out of an image and resize it to a ``CROP_SIZE`` square, bilinear and anti-aliased.

    Args:
        image: ``(H, W, 3)`` uint8 or ``(H, W)`` float32.
        box: ``(x0, y0, x1, y1)`` in pixels; may reach beyond the image.
        fill: value beyond the image's edge.

    Returns:
        ``(CROP_SIZE, CROP_SIZE, 3)`` or ``(CROP_SIZE, CROP_SIZE)`` of the image's kind.
    """
    left, top = int(np.floor(box[0])), int(np.floor(box[1]))
    right, bottom = int(np.ceil(box[2])), int(np.ceil(box[3]))
    canvas = np.full((bottom - top, right - left, *image.shape[2:]), fill, dtype=image.dtype)
    y0, x0 = min(max(top, 0), bottom), min(max(left, 0), right)
    y1, x1 = max(min(bottom, image.shape[0]), y0), max(min(right, image.shape[1]), x0)
    canvas[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    window = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    resized = Image.fromarray(canvas).resize((CROP_SIZE, CROP_SIZE), Image.Resampling.BILINEAR, box=window)
    return np.asarray(resized)


def neutralise(crops: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Replace the background of ``(N, S, S, 3)`` crops by grey, so that it cannot be told apart."""
    return np.where(masks[..., None], crops, np.uint8(BACKDROP))
