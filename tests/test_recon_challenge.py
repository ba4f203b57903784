"""A known solution is continued, or falls to what a search from nothing finds."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ops.errors import ReconstructionError
from recon import Reconstruction, challenge, reconstruct
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, cold_result, joined, make_scene, rotation_errors

module = sys.modules["recon.challenge"]  # the package exports the function under the same name


def half_turned() -> Reconstruction:
    """The solution, but every other view is seen from behind."""
    _, first = cold_result()
    assert first.shape is not None
    turned = first.shape.cameras.R.copy()
    turned[::2] = turned[::2] @ np.diag([-1.0, 1.0, -1.0]).astype(np.float32)
    return replace(first, shape=replace(first.shape, cameras=replace(first.shape.cameras, R=turned)))


def error(result: Reconstruction) -> float:
    scene, _ = cold_result()
    assert result.shape is not None and result.verdict == "shape"
    return float(np.median(rotation_errors(result.shape.cameras.R.astype(float), scene.R)))


def test_a_wrong_solution_stays_wrong_when_continued_and_falls_to_a_search() -> None:
    scene, _ = cold_result()
    assert error(reconstruct(scene.views, SMALL, warm=half_turned())) > 25
    better, stands = challenge(scene.views, half_turned(), SMALL)
    assert error(better) < 25 and not stands


def test_a_known_solution_that_lies_both_ways_round_is_sorted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = cold_result()

    def first(rivals: Hypotheses, *_: object) -> Hypotheses:
        return rivals.select(torch.tensor([0]))

    monkeypatch.setattr(module, "best_fit", first)  # no rival wins
    better, stands = challenge(scene.views, half_turned(), SMALL)
    assert error(better) < 25 and not stands


def test_a_right_solution_stands_or_gives_way_to_one_that_is_as_right() -> None:
    scene, first = cold_result()
    stages: list[str] = []
    result, _ = challenge(scene.views, first, SMALL, progress=lambda p: stages.append(p.stage))
    assert {"coarse", "contest", "done"} <= set(stages)
    assert error(result) < 25


def test_where_no_rival_wins_the_known_solution_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, first = cold_result()
    views = joined(scene.views, make_scene(6, seed=5).views)

    def known(rivals: Hypotheses, *_: object) -> Hypotheses:
        return rivals.select(torch.tensor([0]))

    monkeypatch.setattr(module, "best_fit", known)
    monkeypatch.setattr(module, "untangled", lambda poses, *_: poses)
    result, stands = challenge(views, first, SMALL)
    continued = reconstruct(views, SMALL, warm=first)
    assert stands and result.shape is not None and continued.shape is not None
    assert len(result.shape.cameras.R) == len(views)
    apart = rotation_errors(result.shape.cameras.R.astype(float), continued.shape.cameras.R.astype(float))
    assert np.median(apart) < 3, "it is what a continued shape comes to"


def test_of_too_few_views_nothing_is_said() -> None:
    scene, first = cold_result()
    result, stands = challenge(scene.views.take(np.arange(4)), first, SMALL)
    assert (result.verdict, stands) == ("too_few_views", True)


def test_there_has_to_be_something_to_stand_against() -> None:
    scene, first = cold_result()
    with pytest.raises(ReconstructionError, match="needs a known shape, not the verdict rotational_symmetry"):
        challenge(scene.views, replace(first, verdict="rotational_symmetry"), SMALL)
    with pytest.raises(ReconstructionError, match="differ in length"):
        challenge(replace(scene.views, ids=scene.views.ids[:3]), first, SMALL)
