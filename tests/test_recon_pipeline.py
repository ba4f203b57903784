from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ops.errors import ReconstructionError
from recon import Progress, reconstruct
from tests.cuda import CUDA, needs_gpu
from tests.recon_scene import CHAIR, SMALL, cold_result, make_scene, rotation_errors


def test_cold_start_recovers_cameras_and_a_chair() -> None:
    scene, result = cold_result()
    assert result.verdict == "shape" and result.shape is not None
    errors = rotation_errors(result.shape.cameras.R.astype(float), scene.R)
    assert np.median(errors) < 25
    assert np.mean(errors < 45) > 0.85
    size = np.ptp(result.shape.mesh.vertices, axis=0)
    truth = np.ptp(CHAIR.reshape(-1, 3), axis=0)
    assert np.argmax(size) == np.argmax(truth)
    assert np.allclose(size, truth, atol=0.45)
    assert result.shape.quality.silhouette_iou > 0.6
    assert np.array_equal(result.ids, scene.views.ids)


@needs_gpu
def test_cold_start_on_a_gpu_recovers_cameras_too() -> None:
    scene = make_scene(24)
    result = reconstruct(scene.views, SMALL, device=CUDA)
    assert result.verdict == "shape" and result.shape is not None
    errors = rotation_errors(result.shape.cameras.R.astype(float), scene.R)
    # Sums are rounded otherwise there, so the search takes another way, as with another seed; seeds 0 to 3 all end so.
    assert np.median(errors) < 30 and np.mean(errors < 45) > 0.7
    assert result.shape.quality.silhouette_iou > 0.6


def test_the_same_seed_gives_the_same_result() -> None:
    views = make_scene(10).views
    tiny = replace(
        SMALL,
        min_score=0.0,
        coarse=replace(SMALL.coarse, hypotheses=2, rounds=1),
        medium=replace(SMALL.medium, rounds=1),
    )
    one, two = reconstruct(views, tiny, seed=3), reconstruct(views, tiny, seed=3)
    assert one.to_bytes() == two.to_bytes()


def test_too_few_views_have_no_shape() -> None:
    scene = make_scene(10)
    masks = scene.views.masks.copy()
    masks[:4] = False
    result = reconstruct(replace(scene.views, masks=masks), SMALL)
    assert result.verdict == "too_few_views" and result.shape is None
    assert "6 views" in result.reason


def test_a_score_below_the_threshold_is_thin_evidence() -> None:
    tiny = replace(SMALL, coarse=replace(SMALL.coarse, hypotheses=2, rounds=1), min_score=0.99)
    result = reconstruct(make_scene(10).views, tiny)
    assert result.verdict == "thin_evidence" and result.shape is None


def test_progress_rises_to_one_and_can_cancel() -> None:
    tiny = replace(SMALL, coarse=replace(SMALL.coarse, hypotheses=2, rounds=1))
    seen: list[Progress] = []
    reconstruct(make_scene(10).views, tiny, progress=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert {"coarse", "medium", "fine", "settle", "surface"} <= {p.stage for p in seen}

    def stop(step: Progress) -> None:
        if step.stage == "medium":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        reconstruct(make_scene(10).views, tiny, progress=stop)


def test_views_beyond_the_limit_are_registered() -> None:
    tiny = replace(SMALL, max_views=10, min_score=0.0, coarse=replace(SMALL.coarse, hypotheses=2, rounds=1))
    result = reconstruct(make_scene(14).views, tiny)
    assert result.shape is not None
    assert len(result.shape.cameras.R) == 14
    assert result.shape.quality.views <= 10


def test_arrays_that_do_not_fit_are_refused() -> None:
    views = make_scene(10).views
    with pytest.raises(ReconstructionError, match="length"):
        reconstruct(replace(views, ids=views.ids[:-1]), SMALL)
    with pytest.raises(ReconstructionError, match="unique"):
        reconstruct(replace(views, ids=views.ids * 0), SMALL)
    with pytest.raises(ReconstructionError, match="finite"):
        reconstruct(replace(views, features=views.features * np.nan), SMALL)


def test_take_views_keeps_the_order() -> None:
    views = make_scene(6).views
    assert views.take(np.array([4, 1])).ids.tolist() == [104, 101]
