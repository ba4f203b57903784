from __future__ import annotations

from functools import cache

import numpy as np
import torch

from index.backbones.foreground import TOKEN_LAYERS
from ops.train.samples import photo_samples, procedural_samples, render_scenes
from ops.train.teacher import Teacher


@cache
def teacher() -> Teacher:
    return Teacher()


def photos() -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (80, 100, 3), dtype=np.uint8) for seed in range(2)]


def test_scenes_repeat_with_their_seed() -> None:
    first, again = ([*render_scenes(3, photos(), 5)] for _ in range(2))
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert all(image.shape == (256, 256, 3) and mask.mean() >= 0.01 for image, mask in first)


def test_a_few_scenes_are_empty() -> None:
    empty = [not mask.any() for _, mask in render_scenes(60, photos(), 7)]
    assert 0 < sum(empty) < 15
    whole, closeup = procedural_samples(teacher(), [(np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), bool))], 0)
    assert not whole.masks.any() and not closeup.masks.any()


def test_a_scene_is_seen_whole_and_close_up() -> None:
    scenes = list(render_scenes(2, photos(), 6))
    whole, closeup = procedural_samples(teacher(), scenes, 6)
    assert whole.images.shape == (2, 140, 140, 3) and closeup.images.shape == (2, 224, 224, 3)
    assert whole.tokens.shape == (2, len(TOKEN_LAYERS), 384, 10, 10)
    assert closeup.tokens.shape == (2, len(TOKEN_LAYERS), 384, 16, 16)
    for small, (_, mask) in zip(whole.masks, scenes, strict=True):
        assert abs(float((small > 127).float().mean()) - mask.mean()) < 0.02
    for mask in closeup.masks > 127:
        longest = max(int(mask.any(0).sum()), int(mask.any(1).sum()))
        assert 224 / 1.7 < longest <= 224


def test_photos_get_the_teachers_masks_and_empty_ones_are_left_out() -> None:
    rows, columns = np.mgrid[:160, :200]
    disc = ((rows - 80) ** 2 + (columns - 110) ** 2 < 45**2)[..., None]
    picture = np.where(disc, [200, 60, 40], [225, 225, 230]).astype(np.uint8)
    whole, closeup = photo_samples(teacher(), [picture, np.full_like(picture, 127)], 0.5)
    assert len(whole) == len(closeup) == 1 and whole.weight == 0.5
    assert torch.isclose((whole.masks > 127).float().mean(), torch.tensor(disc.mean()).float(), rtol=0.2)
