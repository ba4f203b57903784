from __future__ import annotations

import numpy as np
import pytest

from ops.bench.masks import centred_ellipse, iou, mean_by_group, uncrop


def test_iou_counts_pixels() -> None:
    a, b = np.array([[1, 1, 0, 0]], dtype=bool), np.array([[0, 1, 1, 0]], dtype=bool)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert iou(a, a) == 1
    assert iou(a, ~a) == 0
    assert iou(a & ~a, a & ~a) == 1


def test_means_are_taken_by_group_and_over_all() -> None:
    found = mean_by_group([("plain", 1.0), ("plain", 0.5), ("clutter", 0.0)])
    assert found == {"all": 0.5, "clutter": 0.0, "plain": 0.75}
    assert mean_by_group([("", 0.4)]) == {"all": 0.4}


def test_a_crop_lands_where_it_was_cut() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :] = True
    found = uncrop(mask, (2, 1, 6, 5), (10, 7))
    expected = np.zeros((7, 10), dtype=bool)
    expected[1:3, 2:6] = True
    assert np.array_equal(found, expected)


def test_a_crop_may_reach_beyond_the_image() -> None:
    found = uncrop(np.ones((4, 4), dtype=bool), (-5, -5, 3, 3), (6, 6))
    assert found.sum() == 9
    assert found[:3, :3].all()


def test_the_ellipse_is_centred_and_follows_the_image() -> None:
    ellipse = centred_ellipse((40, 20), 0.5)
    assert ellipse.shape == (20, 40)
    assert np.array_equal(ellipse, ellipse[::-1, ::-1])
    assert ellipse.mean() == pytest.approx(np.pi / 4 * 0.25, rel=0.05)
