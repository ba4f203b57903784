from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from recon import Alternatives, Cameras, Reconstruction, join_cameras, reconstruct, register
from recon.alternatives import APART, AZIMUTHS, ELEVATIONS, MOST, certainty_of, find_modes
from recon.camera import select_cameras
from recon.geometry import pose_grid, rotation
from tests.recon_scene import CHAIR, SMALL, carved_result, cold_result, make_scene

LEVELS = [0.1 * n for n in range(ELEVATIONS)]
GRID = pose_grid(AZIMUTHS, LEVELS, torch.device("cpu"))
TABLE = CHAIR[[0, 2, 3, 4, 5]]


def hill(azimuth: float, height: float, width: float = 0.3) -> torch.Tensor:
    """Scores ``(K,)`` that fall off around an azimuth in degrees at the middle of the elevations."""
    to = rotation(torch.tensor([np.radians(azimuth), LEVELS[4], 0.0], dtype=torch.float32))
    cosine = (torch.einsum("kij,ij->k", rotation(GRID), to) - 1) / 2
    return height * torch.exp(-cosine.clamp(-1, 1).arccos().square() / width**2)


def at(*azimuths: float) -> torch.Tensor:
    return torch.tensor([[np.radians(each), LEVELS[4], 0.0] for each in azimuths], dtype=torch.float32)


def degrees(index: torch.Tensor) -> list[int]:
    azimuths: list[int] = (GRID[index][:, 0] * 180 / torch.pi).round().int().tolist()
    return azimuths


def test_of_two_equal_peaks_neither_is_above_the_other() -> None:
    found = find_modes(torch.maximum(hill(0, 0.5), hill(180, 0.5))[None], GRID, at(0))
    assert degrees(found.index[0, :1]) == [180]
    assert found.below[0, 0].item() == pytest.approx(0, abs=1e-5) and found.margin.item() == found.below[0, 0].item()
    assert found.below[0, 1:].isinf().all()


def test_the_higher_peak_comes_first_and_is_counted_in_standard_deviations() -> None:
    scores = torch.stack([hill(0, 0.5), hill(90, 0.46), hill(225, 0.48)]).amax(0)[None]
    found, larger = (find_modes(scale * scores, GRID, at(0)) for scale in (1.0, 3.0))
    assert degrees(found.index[0, :2]) == [225, 90]
    assert found.below[0, :2].tolist() == pytest.approx(
        [0.02 / scores.std().item(), 0.04 / scores.std().item()], rel=1e-3
    )
    assert torch.allclose(found.below[0, :2], larger.below[0, :2], rtol=1e-4)


def test_a_slope_is_no_peak_and_neither_is_the_own_one_across_the_seam() -> None:
    found = find_modes(hill(352.5, 0.5, width=2.0)[None], GRID, at(0))
    assert found.below.isinf().all() and found.margin.isfinite().all()


def test_a_pose_that_is_rolled_or_beyond_the_grid_is_judged_by_what_is_nearest() -> None:
    scores = torch.maximum(hill(0, 0.5), hill(180, 0.4))[None].expand(3, -1)
    angles = at(0, 0, 0)
    angles[1, 2], angles[2, 1] = np.radians(50), np.radians(88)
    straight, rolled, above = find_modes(scores, GRID, angles).below[:, 0].tolist()
    assert rolled == pytest.approx(straight) and np.isfinite(above) and above < straight


def test_alternatives_lie_apart_from_each_other() -> None:
    scores = torch.stack([hill(a, 0.5, 0.1) for a in range(0, 360, 15)]).amax(0)[None]
    found = find_modes(scores, GRID, at(0))
    assert found.below.shape == (1, MOST) and found.below.isfinite().all()
    turns = rotation(GRID)[found.index[0]]
    apart = (torch.einsum("aij,bij->ab", turns, turns) - 1) / 2
    assert (apart.fill_diagonal_(-1) <= np.cos(APART) + 1e-5).all()


def test_views_are_surer_with_a_larger_margin_and_in_a_shape_of_larger_ones() -> None:
    margin = torch.tensor([0.0, 1.0, 2.0])
    low, high = certainty_of(margin, 0.4), certainty_of(margin, 1.4)
    assert (low.diff() > 0).all() and (high > low).all()
    assert low[0] > 0 and high[-1] < 1


@cache
def known(table: bool) -> Reconstruction:
    """A table that looks alike from four sides, or a chair that doesn't, at its true rotations."""
    scene = make_scene(24, boxes=TABLE, round_paint=True) if table else make_scene(24, even=False)
    return reconstruct(scene.views, replace(SMALL, symmetry="none"), rotations=scene.R.astype(np.float32))


def told(cameras: Cameras) -> Alternatives:
    assert cameras.alternatives is not None
    assert ((cameras.alternatives.certainty >= 0) & (cameras.alternatives.certainty <= 1)).all()
    assert (cameras.alternatives.certainty + cameras.alternatives.weight.sum(1) <= 1 + 1e-5).all()
    return cameras.alternatives


def test_views_of_a_table_that_looks_alike_from_four_sides_are_unsure() -> None:
    unsure = register(make_scene(12, boxes=TABLE, seed=5, round_paint=True).views, known(table=True))
    sure = register(make_scene(12, seed=5, even=False).views, known(table=False))
    doubts = told(unsure)
    assert doubts.certainty.mean() + 0.2 < told(sure).certainty.mean()
    assert (doubts.weight[:, 0] > 0.05).mean() > 0.7
    turn = np.einsum("nij,nij->n", doubts.R[:, 0], unsure.R)
    assert (turn <= 1 + 2 * np.cos(np.radians(20))).all()


def test_an_alternative_is_a_camera_that_sees_the_object() -> None:
    cameras = register(make_scene(12, boxes=TABLE, seed=5, round_paint=True).views, known(table=True))
    others = told(cameras)
    rows = np.flatnonzero(others.weight[:, 0] > 0)
    centre = others.t[rows, 0]
    seen = others.offset[rows, 0] - centre[:, :2] / centre[:, 2:] / np.tan(others.fov[rows, 0] / 2)[:, None]
    assert len(rows) and (centre[:, 2] > 1).all() and (np.abs(seen) < 0.5).all()


def test_a_search_tells_of_alternatives_and_given_rotations_do_not() -> None:
    _, found = cold_result()
    assert found.shape is not None and found.shape.quality.margin is not None
    assert len(told(found.shape.cameras).certainty) == len(found.ids)
    _, given = carved_result()
    assert given.shape is not None and given.shape.cameras.alternatives is None
    assert given.shape.quality.margin is not None


def test_a_shape_of_before_margins_says_nothing_of_alternatives() -> None:
    found = known(table=False)
    assert found.shape is not None
    older = replace(found.shape, quality=replace(found.shape.quality, margin=None))
    assert register(make_scene(4, seed=5).views, replace(found, shape=older)).alternatives is None


def test_alternatives_are_kept_chosen_and_joined_with_their_cameras() -> None:
    _, found = cold_result()
    assert found.shape is not None
    back = Reconstruction.from_bytes(found.to_bytes()).shape
    assert back is not None and back.quality == found.shape.quality
    parts = [select_cameras(back.cameras, np.arange(4)), select_cameras(back.cameras, np.arange(4, len(found.ids)))]
    for again in (back.cameras, join_cameras(parts)):
        for name in Alternatives.__slots__:
            assert np.array_equal(getattr(told(again), name), getattr(told(found.shape.cameras), name))
    assert join_cameras([parts[0], replace(parts[1], alternatives=None)]).alternatives is None
