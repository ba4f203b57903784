"""A known solution stands, or falls to what a search from nothing finds."""

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


def error(result: Reconstruction | None) -> float:
    scene, _ = cold_result()
    assert result is not None and result.shape is not None and result.verdict == "shape"
    return float(np.median(rotation_errors(result.shape.cameras.R.astype(float), scene.R)))


def test_a_wrong_solution_stays_wrong_when_continued_and_falls_to_a_search() -> None:
    scene, _ = cold_result()
    assert error(reconstruct(scene.views, SMALL, warm=half_turned())) > 25
    assert error(challenge(scene.views, half_turned(), SMALL)) < 25


def test_a_known_solution_that_lies_both_ways_round_is_sorted_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = cold_result()

    def first(rivals: Hypotheses, *_: object) -> Hypotheses:
        return rivals.select(torch.tensor([0]))

    monkeypatch.setattr(module, "best_fit", first)  # no rival wins
    assert error(challenge(scene.views, half_turned(), SMALL)) < 25


def test_a_right_solution_stands_or_gives_way_to_one_that_is_as_right() -> None:
    scene, first = cold_result()
    stages: list[str] = []
    result = challenge(scene.views, first, SMALL, progress=lambda p: stages.append(p.stage))
    assert {"coarse", "contest", "done"} <= set(stages)
    assert result is None or error(result) < 25


def test_where_no_rival_wins_the_known_solution_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = cold_result()
    more = make_scene(6, seed=5)

    def known(rivals: Hypotheses, *_: object) -> Hypotheses:
        return rivals.select(torch.tensor([0]))

    monkeypatch.setattr(module, "best_fit", known)
    monkeypatch.setattr(module, "untangled", lambda poses, *_: poses)
    scene, _ = cold_result()
    assert challenge(joined(scene.views, more.views), first, SMALL) is None
    few = scene.views.take(np.arange(4))
    assert challenge(few, first, SMALL) is None, "too few views to say anything"


def test_there_has_to_be_something_to_stand_against() -> None:
    scene, first = cold_result()
    with pytest.raises(ReconstructionError, match="needs a known shape, not the verdict rotational_symmetry"):
        challenge(scene.views, replace(first, verdict="rotational_symmetry"), SMALL)
    with pytest.raises(ReconstructionError, match="differ in length"):
        challenge(replace(scene.views, ids=scene.views.ids[:3]), first, SMALL)
