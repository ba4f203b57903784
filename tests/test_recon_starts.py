from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.geometry import wrap
from recon.guess import prior_of
from recon.starts import grouped_starts, guessed_starts, likeness
from tests.recon_scene import SMALL, make_scene, told, true_poses


def test_views_from_the_same_side_look_alike() -> None:
    model, poses = true_poses(make_scene(32))
    same, mirrored = likeness(model.evidence)
    azimuth = poses.angles[0, :, 0]
    apart = wrap(azimuth[:, None] - azimuth).abs() + 9 * torch.eye(32)
    across = wrap(azimuth[:, None] + azimuth).abs() + 9 * torch.eye(32)
    for table, gap in ((same, apart), (mirrored, across)):
        near, far = table[gap < 0.4].mean(), table[(gap > 1.2) & (gap < 2)].mean()
        assert near > far + 0.1


def test_views_of_a_group_share_an_azimuth_or_its_mirror_image() -> None:
    model, _ = true_poses(make_scene(24))
    start = grouped_starts(model, SMALL.coarse, 5, torch.Generator().manual_seed(0))
    assert start.angles.shape == (SMALL.coarse.hypotheses, 24, 3)
    for azimuths in start.angles[..., 0]:
        folded = torch.minimum(azimuths % (2 * np.pi), -azimuths % (2 * np.pi))
        assert len(torch.unique((folded * 1e4).round())) <= 5


def test_as_many_groups_as_views_leave_every_view_its_own() -> None:
    model, _ = true_poses(make_scene(16))
    start = grouped_starts(model, SMALL.coarse, 99, torch.Generator().manual_seed(0))
    assert len(torch.unique(start.angles[0, :, 0])) == 16


def test_starts_repeat_with_their_seed() -> None:
    model, _ = true_poses(make_scene(16))
    first, again, other = (grouped_starts(model, SMALL.coarse, 6, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first.angles, again.angles) and not torch.equal(first.angles, other.angles)


def test_elevations_begin_where_they_were_guessed() -> None:
    scene = make_scene(16)
    model, _ = true_poses(scene)
    plain = grouped_starts(model, SMALL.coarse, 6, torch.Generator().manual_seed(0))
    guessed = replace(model, prior=prior_of(told(scene.azimuth), torch.device("cpu")).without_azimuth())
    start = grouped_starts(guessed, SMALL.coarse, 6, torch.Generator().manual_seed(0))
    assert torch.equal(start.angles[..., 0], plain.angles[..., 0])
    assert np.allclose(plain.angles[..., 1].rad2deg(), 15) and np.allclose(start.angles[..., 1].rad2deg(), 20)


def test_sure_guesses_are_where_views_start() -> None:
    scene = make_scene(16)
    model, _ = true_poses(scene)
    start = guessed_starts(model, SMALL.coarse, told(scene.azimuth, 200.0), torch.Generator().manual_seed(0))
    assert start.angles.shape == (SMALL.coarse.hypotheses, 16, 3)
    away = wrap(start.angles[..., 0] - torch.from_numpy(scene.azimuth))
    assert away.abs().max() < np.radians(16)
    assert torch.allclose(start.angles[..., 1], torch.tensor(np.radians(20), dtype=torch.float32))


def test_unsure_guesses_leave_every_start_another() -> None:
    scene = make_scene(40)
    model, _ = true_poses(scene)
    start = guessed_starts(model, SMALL.coarse, told(scene.azimuth, 0.5), torch.Generator().manual_seed(0))
    away = wrap(start.angles[..., 0] - torch.from_numpy(scene.azimuth)).abs()
    assert away[0].max() < np.radians(16)
    assert (away[1:] > np.radians(60)).any(1).all() and away.median() < np.radians(90)
