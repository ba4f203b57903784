from __future__ import annotations

from dataclasses import replace

import numpy as np

from actors.trial import hold_trial
from recon import Reconstruction
from tests.recon_scene import carved_result, make_scene


def spoiled(found: Reconstruction, share: float = 0.5) -> Reconstruction:
    """The same shape with its upper part cut off."""
    assert found.shape is not None
    occupancy = found.shape.field.occupancy.copy()
    occupancy[:, int(len(occupancy) * share) :] = 0
    return replace(found, shape=replace(found.shape, field=replace(found.shape.field, occupancy=occupancy)))


def test_the_better_shape_has_the_lower_loss_on_images_that_neither_was_fitted_to() -> None:
    _, whole = carved_result()
    worse, new = spoiled(whole), make_scene(6, seed=11).views
    forth = hold_trial(new, worse, whole, "cpu")
    back = hold_trial(new, whole, worse, "cpu")
    assert forth.images == back.images > 3
    assert forth.loss < forth.baseline_loss - 0.02
    assert (forth.loss, forth.baseline_loss) == (back.baseline_loss, back.loss)
    assert len(forth.cameras.R) == 6


def test_images_that_show_neither_shape_judge_nothing() -> None:
    _, whole = carved_result()
    views = make_scene(6, seed=11).views
    noise = np.random.default_rng(0).normal(size=views.features.shape).astype(np.float32)
    masks = np.zeros_like(views.masks)
    masks[:, 30:34, 4:60] = True
    trial = hold_trial(replace(views, features=noise, flipped_features=noise, masks=masks), whole, whole, "cpu")
    assert (trial.images, trial.loss, trial.baseline_loss) == (0, 0.0, 1.0)
