"""Masks sharpened by colour."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from index.backbones.refine import THRESHOLD_RANGE, refine, threshold


def disc(radius: float, size: int = 224) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] - size / 2
    return rows**2 + columns**2 < radius**2


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(("low", "high", "expected"), [(0.2, 0.6, 0.4), (0.4, 0.7, 0.55)])
def test_the_threshold_lies_between_the_two_levels(low: float, high: float, expected: float) -> None:
    saliency = np.where(disc(50), high, low).astype(np.float32)
    assert threshold(saliency) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_the_threshold_of_a_flat_map_stays_in_range(level: float) -> None:
    value = threshold(np.full((32, 32), level, dtype=np.float32))
    assert THRESHOLD_RANGE[0] <= value <= THRESHOLD_RANGE[1]


def test_colours_mend_a_blurred_and_shrunken_map() -> None:
    truth = disc(60)
    noise = np.random.default_rng(0).normal(0, 8, (224, 224, 3))
    crop = np.clip(np.where(truth[..., None], (190, 60, 50), (80, 120, 170)) + noise, 0, 255).astype(np.uint8)
    saliency = (0.2 + 0.5 * ndimage.gaussian_filter(disc(48).astype(float), 10)).astype(np.float32)
    plain, refined = saliency > threshold(saliency), refine(saliency, crop)
    assert iou(plain, truth) < 0.75
    assert iou(refined, truth) > 0.97


def test_without_colour_contrast_the_saliency_decides() -> None:
    truth = disc(60)
    saliency = np.where(truth, 0.8, 0.2).astype(np.float32)
    refined = refine(saliency, np.full((224, 224, 3), 128, dtype=np.uint8))
    assert iou(refined, truth) == 1.0
