from __future__ import annotations

from dataclasses import replace

import numpy as np

from actors.trial import find_misfits, hold_trial
from recon import Reconstruction, Views
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
    trial = hold_trial(strange(views, slice(None)), whole, whole, "cpu")
    assert (trial.images, trial.loss, trial.baseline_loss) == (0, 0.0, 1.0)


def strange(views: Views, rows: slice) -> Views:
    """The views, some of them replaced by flat bars without any features of the object."""
    features, masks = views.features.copy(), views.masks.copy()
    features[rows] = np.random.default_rng(0).normal(size=features[rows].shape)
    masks[rows] = False
    masks[rows, 30:34, 4:60] = True
    return replace(views, features=features, flipped_features=features[..., ::-1].copy(), masks=masks)


def test_misfits_fit_neither_where_the_fit_left_them_nor_anywhere_else() -> None:
    scene, whole = carved_result()
    assert whole.shape is not None
    weight = whole.shape.cameras.weight.copy()
    weight[[2, 5]] = 0  # the fit gave both up; the first has only ended at a wrong pose
    given_up = replace(whole, shape=replace(whole.shape, cameras=replace(whole.shape.cameras, weight=weight)))
    views = strange(scene.views, slice(5, 6))
    assert find_misfits(views, given_up, "cpu") == [105]
    assert find_misfits(views, whole, "cpu") == [], "what the fit kept is not asked about"
    assert find_misfits(views, replace(given_up, verdict="rotational_symmetry"), "cpu") == []
