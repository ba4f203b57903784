from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ops.errors import ConfigError
from recon import ReconConfig, reconstruct
from recon.config import JointStage
from recon.geometry import rotation
from recon.keypoint_start import keypoint_start
from recon.progress import Reporter
from tests.recon_scene import SMALL, make_scene, rotation_errors, true_poses

SCENE = make_scene(36, noise=0.05, even=False)
"""Features that tell left from right, without which parts of both sides are one."""


def test_cameras_are_better_than_chance_where_features_tell_left_from_right() -> None:
    model, _ = true_poses(SCENE)
    model = replace(model, mirror=False)
    found = keypoint_start(model, SMALL, SCENE.views, torch.Generator().manual_seed(0), Reporter(None))
    errors = rotation_errors(rotation(found.poses.angles[0]).double().numpy(), SCENE.R)
    assert np.median(errors) < 45  # at random: about 90
    low, high = model.elevations
    assert (found.poses.angles[..., 1] >= low).all() and (found.poses.angles[..., 1] <= high).all()
    assert (found.poses.angles[..., 2] == 0).all()


def test_the_recipe_gives_a_shape_and_repeats() -> None:
    config = replace(SMALL, recipe="3dminer", symmetry="none", min_score=0.0, joint=JointStage(4, 16, 1000, 4, "mlp"))
    first, again = (reconstruct(SCENE.views, config, seed=1) for _ in range(2))
    assert first.shape is not None and again.shape is not None and not first.shape.field.mirror
    assert np.array_equal(first.shape.cameras.R, again.shape.cameras.R)


def test_the_preset_is_a_neural_field_without_symmetry() -> None:
    config = ReconConfig.preset("quick", "3dminer")
    assert (config.recipe, config.symmetry, config.joint.field) == ("3dminer", "none", "mlp")
    assert config.joint.steps == ReconConfig.preset("quick").joint.steps
    with pytest.raises(ConfigError, match="recipe must be shapelode, 3dminer"):
        ReconConfig.preset("quick", "colmap")  # type: ignore[arg-type]
    assert ReconConfig.preset("quick", "3dminer", "voxel").joint.field == "voxel"
    assert ReconConfig.preset("quick").joint.field == ReconConfig.preset("quick").trial.field == "tensorf"
    with pytest.raises(ConfigError, match="field must be auto, voxel, tensorf, mlp"):
        ReconConfig.preset("quick", "shapelode", "nerf")  # type: ignore[arg-type]


def test_a_view_in_which_no_part_is_seen_has_no_weight_and_spoils_nothing() -> None:
    model, _ = true_poses(SCENE)
    masks = model.evidence.masks.clone()
    masks[0] = 0
    model = replace(model, mirror=False, evidence=replace(model.evidence, masks=masks))
    found = keypoint_start(model, SMALL, SCENE.views, torch.Generator().manual_seed(0), Reporter(None))
    assert torch.isfinite(found.poses.angles).all() and torch.isfinite(found.poses.frame).all()
    assert found.poses.weight[0, 0] == 0 and (found.poses.weight[0, 1:] > 0).all()
