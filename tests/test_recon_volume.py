from __future__ import annotations

import torch

from recon.em import Model, assign_folds
from recon.render import render
from recon.volume import (
    HALF_EXTENT,
    Hypotheses,
    Volumes,
    build_volumes,
    leave_out,
    lift_features,
    revolve,
    voxel_index,
)
from tests.recon_scene import CHAIR, make_scene, true_poses


def _volumes(settle: bool = False) -> tuple[Model, Hypotheses, Volumes]:
    scene = make_scene(24, noise=0.0)
    model, poses = true_poses(scene)
    folds = assign_folds(24, 3, torch.Generator().manual_seed(0), torch.device("cpu"))
    return model, poses, build_volumes(poses, model.evidence, folds, 32, model.distance, True, settle)


def test_leave_out_of_one_fold() -> None:
    sums = torch.tensor([[[1.0], [2.0], [4.0]]])
    assert leave_out(sums).flatten().tolist() == [6.0, 5.0, 3.0, 7.0]


def test_carving_from_true_poses_finds_the_chair() -> None:
    _, _, volumes = _volumes()
    hull = volumes.occupancy[0, -1].flatten() > 0.5
    centres = torch.tensor(CHAIR).mean(1).float() * 2 * HALF_EXTENT
    assert bool(hull[voxel_index(centres, 32)].all())
    above_seat_in_front = torch.tensor([0.0, 0.4, 0.15]) * 2 * HALF_EXTENT
    assert not bool(hull[voxel_index(above_seat_in_front, 32)])


def test_rendered_hull_covers_the_masks() -> None:
    model, poses, volumes = _volumes()
    alpha, _ = render(
        volumes.occupancy[:, -1], poses.angles, poses.frame, pixels=16, samples=48, distance=model.distance
    )
    masks = model.evidence.masks
    iou = torch.minimum(alpha[0], masks).sum(1) / torch.maximum(alpha[0], masks).sum(1)
    assert float(iou.mean()) > 0.8


def test_mirror_makes_occupancy_symmetric() -> None:
    _, _, volumes = _volumes()
    assert torch.allclose(volumes.occupancy, volumes.occupancy.flip(-1), atol=1e-5)


def test_settling_centres_the_hull() -> None:
    _, _, volumes = _volumes(settle=True)
    solid = (volumes.occupancy[0, -1] > 0.5).nonzero().float()
    low, high = solid.amin(0), solid.amax(0)
    assert float(((low + high) / 2 - 15.5).abs().max()) <= 1.0
    assert abs(float((high - low).max() + 1) / 32 - HALF_EXTENT) < 0.1


def test_lifted_features_agree_between_folds_on_a_consistent_object() -> None:
    _, _, volumes = _volumes()
    a, b = volumes.features[0, 0], volumes.features[0, 1]
    both = (a.norm(dim=-1) > 0.7) & (b.norm(dim=-1) > 0.7)
    assert int(both.sum()) > 200
    assert float(torch.cosine_similarity(a[both], b[both]).mean()) > 0.9


def test_a_pixel_s_feature_is_lifted_to_its_voxel_and_smoothed_up_to_the_volume_s_edge() -> None:
    scene = make_scene(4)
    model, _ = true_poses(scene)
    side, dims = 8, model.evidence.features.shape[-1]
    points = torch.rand(2, 4, 256, 3, generator=torch.Generator().manual_seed(3)) * 2 - 1
    points[0] = points[0] * 0.3 + torch.tensor([0.7, -0.7, 0.0])  # in a corner, and beyond it
    shares = torch.zeros(2, 4, 256)
    shares[0, :, :40] = 0.7  # of the other hypothesis nothing is seen
    folds = torch.tensor([0, 1, 0, 1])
    means = lift_features(points, shares, model.evidence, folds, side, True)
    sums, total = torch.zeros(2, side**3, dims), torch.zeros(2, side**3, 1)
    for sign, features in ((1.0, model.evidence.features), (-1.0, model.evidence.mirrored)):
        for view in range(4):
            for pixel in range(40):
                row = voxel_index(points[0, view, pixel] * torch.tensor([sign, 1.0, 1.0]), side)
                sums[folds[view], row] += 0.7 * features[view, pixel]
                total[folds[view], row] += 0.7
    near = torch.eye(side) / 2 + (torch.eye(side).roll(1, 0).tril() + torch.eye(side).roll(-1, 0).triu()) / 4
    smooth = torch.einsum("az,by,cx->abczyx", near, near, near).reshape(side**3, side**3)
    sums, total = leave_out((smooth @ sums)[None])[0], leave_out((smooth @ total)[None])[0]
    assert torch.allclose(means[0], sums / total.clamp_min(1e-3), atol=1e-4)
    assert float(means[0].norm(dim=-1).max()) > 0.5 and not means[1].any()


def test_revolving_a_bar_makes_a_disc() -> None:
    bar = torch.zeros(1, 1, 32, 32, 32)
    bar[..., 14:18, 14:18, 4:28] = 1
    disc = revolve(bar)[0, 0]
    assert torch.allclose(disc, disc.transpose(0, 2), atol=0.02)
    assert float(disc[16, 16, 16]) > 0.95
    assert float(disc[16, 16, 24]) < 0.5
