from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from recon import ReconConfig, reconstruct
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


def test_warm_start_is_cheaper_than_cold() -> None:
    scene, first = cold_result()
    started = time.process_time()
    reconstruct(scene.views, SMALL, warm=first)
    warm = time.process_time() - started
    started = time.process_time()
    reconstruct(scene.views, replace(SMALL, coarse=ReconConfig().coarse))
    assert warm < (time.process_time() - started) / 2


def test_a_shapeless_past_is_a_cold_start() -> None:
    views = make_scene(10).views
    nothing = reconstruct(views, replace(SMALL, min_views=20))
    tiny = replace(SMALL, min_score=0.0, coarse=replace(SMALL.coarse, hypotheses=2, rounds=1))
    stages: list[str] = []
    reconstruct(views, tiny, warm=nothing, progress=lambda p: stages.append(p.stage))
    assert "coarse" in stages
