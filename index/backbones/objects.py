"""The objects of an image: which parts of a saliency map are one thing, which is cut off, what is a collage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from index.backbones.crop import (
    KEPT_COMPONENT,
    MAX_FOREGROUND,
    MIN_FOREGROUND,
    Box,
    box_around,
    cut,
    main_components,
)
from index.backbones.refine import threshold
from index.views import CROP_SIZE
from ops.errors import RejectError

HALF_BELIEVED = 0.05
"""Saliency from which on a pixel may join two parts of one thing: a headband between its cups."""

REACH = 0.06
"""Gap that does not part a thing, over the side of a square as large as its largest part."""

CUT_OFF = 0.5
"""Share of an object's width or height that lies on the image's edge from which on it counts as cut off."""

SEAM_STEP = 6
"""Difference of two pixels, of 255, that counts as a step from one picture of a collage to the next."""

SEAM_CONTRAST = 2.0
"""How many times as large as the differences around it a step has to be."""

SEAM_SHARE = 0.7
"""Share of a line that has to be a step for the line to be a seam."""

_SEAM_GUTTER = 2
"""Pixels on each side of a seam's middle that no object may cover."""

_AROUND, _BESIDE = 17, 5
"""Pixels across a line that its steps are compared with, but for those in its middle."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """One object in the coarse look at an image.

    Attributes:
        box: the square crop around it, in pixels of the image; may reach beyond it.
        region: ``(S, S)`` bool, its pixels in the squashed image.
        others: ``(S, S)`` bool, those of the image's other objects.
    """

    box: Box
    region: Mask
    others: Mask


def find_objects(saliency: NDArray[np.float32], size: tuple[int, int]) -> list[Found] | RejectError:
    """Finds the objects in the look at a squashed image, largest first.

    Parts of the foreground that are joined by what the network half believes in are one object (the double
    threshold of Canny, PAMI 1986, section VIII, on saliency).

    Args:
        saliency: ``(S, S)`` in [0, 1], of the image squashed to a square.
        size: ``(width, height)`` of the original image in pixels.

    Returns:
        At least one object; or a ``no_foreground`` rejection where too little of the image stands out, or all of it.
    """
    mask = main_components(saliency > threshold(saliency))
    if not MIN_FOREGROUND <= (share := float(mask.mean())) <= MAX_FOREGROUND:
        return RejectError("no_foreground", f"the object covers {share:.2%} of the image")
    regions = _things(mask, saliency)
    everything = np.logical_or.reduce(regions)
    return [Found(box_around(region, size), region, everything & ~region) for region in regions]


def screen(found: list[Found], image: NDArray[np.uint8]) -> list[Found] | RejectError:
    """What of the objects of an image is good for a shape.

    Args:
        found: at least one.
        image: ``(S, S, 3)`` uint8, the squashed image.

    Returns:
        The objects that lie within the image; a rejection ``cut_off`` where none does, or ``collage`` where a seam
        parts them.
    """
    if len(found) > 1 and has_seam(image, [one.region for one in found]):
        return RejectError("collage", f"{len(found)} objects in pictures put side by side")
    contacts = [edge_contact(one.region) for one in found]
    whole = [one for one, contact in zip(found, contacts, strict=True) if contact < CUT_OFF]
    return whole or RejectError("cut_off", f"{contacts[0]:.0%} of the object's side lie on the image's edge")


def edge_contact(region: Mask) -> float:
    """Largest share of a region's width or height that lies on an edge of its image; 0 for one that touches none."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    sides = ((region[0], width), (region[-1], width), (region[:, 0], height), (region[:, -1], height))
    return max(float(side.sum()) / extent for side, extent in sides)


def has_seam(image: NDArray[np.uint8], regions: list[Mask]) -> bool:
    """Whether a straight line from edge to edge, with a step all along, parts the objects of an image.

    Args:
        image: ``(S, S, 3)`` uint8.
        regions: ``(S, S)`` bool of each object.
    """
    values = image.astype(np.int16)
    return _is_parted(values, regions) or _is_parted(values.transpose(1, 0, 2), [region.T for region in regions])


def own_part(found: Found, shape: tuple[int, ...]) -> Mask:
    """Pixels ``(CROP_SIZE, CROP_SIZE)`` of an object's crop that are nearer to it than to the image's other objects.

    Args:
        found: the object.
        shape: ``(height, width)`` of the image in pixels.
    """
    if not found.others.any():
        return np.ones((CROP_SIZE, CROP_SIZE), np.bool_)
    scale_x, scale_y = found.region.shape[1] / shape[1], found.region.shape[0] / shape[0]
    x0, y0, x1, y1 = found.box
    box = (x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y)
    parts = (cut(part.astype(np.float32), box, 0.0) for part in (found.region, found.others))
    own, strange = (ndimage.distance_transform_edt(part < 0.5) for part in parts)
    nearer: Mask = own <= strange
    return nearer


def _things(mask: Mask, saliency: NDArray[np.float32]) -> list[Mask]:
    """Components of a mask, those of one thing together, largest first."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3), np.int8))
    if count == 1:
        return [mask]
    largest = float(np.bincount(labels.ravel())[1:].max())
    reach = max(1, round(REACH * largest**0.5))
    joined = ndimage.binary_dilation(mask | (saliency > HALF_BELIEVED), iterations=reach)
    groups, _ = ndimage.label(joined, structure=np.ones((3, 3), np.int8))
    regions = [mask & (groups == group) for group in np.unique(groups[mask])]
    areas = [int(region.sum()) for region in regions]
    order = sorted(range(len(regions)), key=lambda place: -areas[place])
    return [regions[place] for place in order if areas[place] >= KEPT_COMPONENT * areas[order[0]]]


def _is_parted(values: NDArray[np.int16], regions: list[Mask]) -> bool:
    """Whether a vertical seam parts the regions."""
    jumps = np.abs(values[:, 2:] - values[:, :-2]).max(axis=2).astype(np.float32)
    around, beside = (n * ndimage.uniform_filter1d(jumps, n, axis=1, mode="nearest") for n in (_AROUND, _BESIDE))
    steps = jumps >= np.maximum(SEAM_STEP, SEAM_CONTRAST * (around - beside) / (_AROUND - _BESIDE))
    taken = np.logical_or.reduce(regions)
    for column in np.flatnonzero(steps.mean(axis=0) >= SEAM_SHARE) + 1:
        if taken[:, max(column - _SEAM_GUTTER, 0) : column + _SEAM_GUTTER + 1].any():
            continue
        if taken[:, :column].any() and taken[:, column:].any():
            return True
    return False
