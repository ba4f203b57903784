"""Overlap of foreground masks with the truth, by backdrop, and two baselines that look at nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def iou(found: Mask, true: Mask) -> float:
    """Intersection over union of two masks of one size; 1 if both are empty."""
    union = int((found | true).sum())
    return int((found & true).sum()) / union if union else 1.0


def mean_by_group(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean of the values of each group, by name, and of all under ``all``."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for group, value in values:
        groups["all"].append(value)
        groups[group].append(value)
    return {name: float(np.mean(groups[name])) for name in sorted(groups) if name}


def uncrop(mask: Mask, box: tuple[float, float, float, float], size: tuple[int, int]) -> Mask:
    """A crop's mask laid back into its image.

    Args:
        mask: ``(S, S)`` foreground of the square crop.
        box: ``(x0, y0, x1, y1)`` of the crop in pixels of the image; may reach beyond it.
        size: ``(width, height)`` of the image.

    Returns:
        ``(height, width)`` foreground; background outside the box.
    """
    columns, inside_x = _lookup(size[0], box[0], box[2], mask.shape[1])
    rows, inside_y = _lookup(size[1], box[1], box[3], mask.shape[0])
    return mask[rows[:, None], columns[None, :]] & inside_y[:, None] & inside_x[None, :]


def centred_ellipse(size: tuple[int, int], share: float = 0.6) -> Mask:
    """Ellipse in the middle whose axes are ``share`` of the image's ``(width, height)``."""
    x, y = ((np.arange(side) + 0.5) / side * 2 - 1 for side in size)
    ellipse: Mask = (x[None, :] ** 2 + y[:, None] ** 2) <= share**2
    return ellipse


def _lookup(length: int, start: float, end: float, cells: int) -> tuple[NDArray[np.int64], Mask]:
    """For each pixel centre along a side: the crop's cell there, and whether it lies in the crop."""
    position = (np.arange(length) + 0.5 - start) / (end - start)
    inside: Mask = (position >= 0) & (position < 1)
    return np.clip(np.floor(position * cells), 0, cells - 1).astype(np.int64), inside
