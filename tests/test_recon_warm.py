from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recon import Placement, em, joint, reconstruct, refine, warm
from recon.candidates import render_features, render_grid
from recon.config import JointStage
from recon.joint import JointFit, refine_jointly
from recon.result import NO_DENSITY, Shape
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, cold_result, joined, make_scene, rotation_errors


def test_warm_start_takes_new_views_in() -> None:
    scene, first = cold_result()
    more = make_scene(10, seed=5)
    both = joined(scene.views, more.views)
    stages: list[str] = []
    result = reconstruct(both, SMALL, warm=first, progress=lambda p: stages.append(p.stage))
    assert result.shape is not None and result.verdict == "shape"
    assert "register" in stages and "coarse" not in stages
    errors = rotation_errors(result.shape.cameras.R.astype(float), np.concatenate([scene.R, more.R]))
    assert np.median(errors[24:]) < 25
    assert np.median(errors[:24]) < 25


def test_a_warm_start_tries_a_fraction_of_the_poses_of_a_cold_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, first = cold_result()
    tried: list[int] = []

    def counting(render: Callable[..., tuple[Tensor, Tensor]], place: int) -> Callable[..., tuple[Tensor, Tensor]]:
        def counted(*arguments: Any) -> tuple[Tensor, Tensor]:
            tried.append(arguments[place][..., 0].numel())
            return render(*arguments)

        return counted

    monkeypatch.setattr(em, "render_grid", counting(render_grid, 1))
    monkeypatch.setattr(refine, "render_features", counting(render_features, 2))
    counts = []
    for start in (first, None):
        tried.clear()
        reconstruct(scene.views, SMALL, warm=start)
        counts.append(sum(tried))
    assert 0 < counts[0] < counts[1] / 2, counts


def test_a_shapeless_past_is_a_cold_start() -> None:
    views = make_scene(10).views
    nothing = reconstruct(views, replace(SMALL, min_views=20))
    tiny = replace(SMALL, min_score=0.0, coarse=replace(SMALL.coarse, hypotheses=2, rounds=1))
    stages: list[str] = []
    reconstruct(views, tiny, warm=nothing, progress=lambda p: stages.append(p.stage))
    assert "coarse" in stages


def with_density(shape: Shape, density: np.ndarray[Any, np.dtype[np.uint8]], place: Placement) -> Shape:
    return replace(shape, field=replace(shape.field, density=density, place=place))


def test_a_density_lies_where_the_object_does_in_any_placement() -> None:
    _, first = cold_result()
    assert first.shape is not None
    box = np.zeros((40, 40, 40), np.uint8)
    box[10:20, 20:30, 5:25] = 255  # z, y, x
    was = Placement((-0.25, 0.25, -0.25), 1.0, 3.0)  # the middle of the box, whose longest side is one unit
    now = Placement((0.0, 0.0, 0.0), 1.5, 3.0)
    same = warm.carried(with_density(first.shape, box, was), was, torch.device("cpu"))
    assert same is not None and np.allclose(same.numpy(), box / 255, atol=1e-5)
    moved = warm.carried(with_density(first.shape, box, was), now, torch.device("cpu"))
    assert moved is not None
    places = np.argwhere(moved.numpy() > 0.5)
    assert np.allclose(places.mean(0), 19.5, atol=0.6), "centred"
    assert np.allclose(np.ptp(places, axis=0) + 1, [15, 15, 30], atol=1.1), "half as large again"
    assert warm.carried(with_density(first.shape, NO_DENSITY, was), now, torch.device("cpu")) is None


def test_a_warm_start_begins_between_votes_and_the_density_of_the_version_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, first = cold_result()
    assert first.shape is not None and first.shape.field.density.any()
    begun: list[Tensor] = []
    steps: list[int] = []

    def noted(poses: Hypotheses, model: em.Model, logits: Tensor, stage: JointStage, *rest: Any) -> JointFit:
        begun.append(logits)
        steps.append(stage.steps)
        return refine_jointly(poses, model, logits, stage, *rest)

    monkeypatch.setattr(joint, "refine_jointly", noted)
    short = replace(SMALL, joint=replace(SMALL.joint, steps=4))
    for density in (first.shape.field.density, NO_DENSITY, np.full((8, 8, 8), 255, np.uint8)):
        shape = with_density(first.shape, density, first.shape.field.place)
        reconstruct(scene.views, short, warm=replace(first, shape=shape))
    both, votes, full = begun
    assert steps == [3, 4, 3]
    before = joint.logits_of_occupancy(torch.tensor(255.0))
    inside = torch.isclose(full, (votes + before) / 2)
    assert inside.float().mean() > 0.3, "a density that is full everywhere, but for where it was not known"
    assert (full >= votes - 1e-6)[inside].all() and not torch.allclose(both, votes)
