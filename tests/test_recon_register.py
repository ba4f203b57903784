from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ops.errors import ReconstructionError
from recon import Reconstruction, Views, register
from recon.types import Viewpoints
from tests.recon_scene import cold_result, make_scene, rotation_errors


def test_new_views_are_registered() -> None:
    scene, result = cold_result()
    new = make_scene(16, seed=11)
    cameras = register(new.views, result)
    assert result.shape is not None
    R = np.concatenate([result.shape.cameras.R, cameras.R]).astype(float)
    errors = rotation_errors(R, np.concatenate([scene.R, new.R]))[24:]
    assert np.median(errors) < 25
    assert cameras.weight.min() >= 0 and cameras.weight.mean() > 0.8


def elevations(R: np.ndarray) -> np.ndarray:
    return np.degrees(np.arcsin(-R[:, 2, 1]))


def guessed(views: Views, elevation: np.ndarray) -> Views:
    return replace(views, viewpoints=Viewpoints(np.zeros((len(views), 24), np.float32), elevation.astype(np.float32)))


def test_where_images_say_little_the_guessed_elevation_counts() -> None:
    scene, result = cold_result()
    assert result.shape is not None
    tilt = np.median(elevations(result.shape.cameras.R.astype(float)) - elevations(scene.R))  # of the frame found
    new = make_scene(16, seed=11, noise=8.0)
    truth = elevations(new.R) + tilt
    views = (new.views, guessed(new.views, truth))
    alone, told = (np.abs(elevations(register(each, result).R.astype(float)) - truth).mean() for each in views)
    assert told < 0.8 * alone, (told, alone)


def test_where_images_say_much_a_wrong_guess_costs_little() -> None:
    scene, result = cold_result()
    assert result.shape is not None
    new = make_scene(16, seed=11)
    cameras = register(guessed(new.views, np.random.default_rng(0).permutation(elevations(new.R))), result)
    R = np.concatenate([result.shape.cameras.R, cameras.R]).astype(float)
    assert np.median(rotation_errors(R, np.concatenate([scene.R, new.R]))[24:]) < 25


def test_strangers_weigh_nothing() -> None:
    _, result = cold_result()
    new = make_scene(8, seed=11)
    noise = np.random.default_rng(0).normal(size=new.views.features.shape).astype(np.float32)
    masks = np.zeros_like(new.views.masks)
    masks[:, 30:34, 4:60] = True
    strangers = replace(new.views, features=noise, flipped_features=noise, masks=masks)
    cameras = register(strangers, result)
    assert cameras.weight.max() == 0
    assert cameras.loss.mean() > register(new.views, result).loss.mean()


def test_nothing_to_register_to() -> None:
    new = make_scene(4)
    with pytest.raises(ReconstructionError, match="shape"):
        register(new.views, Reconstruction("thin_evidence", "none", new.views.ids, None))


def test_features_of_another_backbone_are_refused() -> None:
    _, result = cold_result()
    views = make_scene(4).views
    other = replace(views, features=views.features[:, :5], flipped_features=views.flipped_features[:, :5])
    with pytest.raises(ReconstructionError, match="channels"):
        register(other, result)
