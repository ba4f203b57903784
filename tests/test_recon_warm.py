from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from recon import em, reconstruct, refine
from recon.em import render_features
from tests.recon_scene import SMALL, cold_result, joined, make_scene, rotation_errors


def test_warm_start_takes_new_views_in() -> None:
    scene, first = cold_result()
    more = make_scene(12, seed=5)
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

    def counted(occupancy: Tensor, features: Tensor, angles: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
        tried.append(angles.shape[0] * angles.shape[1])
        return render_features(occupancy, features, angles, *arguments)

    for module in (em, refine):
        monkeypatch.setattr(module, "render_features", counted)
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
