from __future__ import annotations

import numpy as np
import torch

from index.backbones.crop import CROP_SIZE
from index.backbones.embedded import EmbeddedBackbone
from ops.synth.seats import armchair
from ops.train.fronts import front_samples, photo_of, random_thing
from tests.synth_checks import draw, is_sound


def photos() -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 256, (80, 100, 3), dtype=np.uint8) for seed in range(2)]


def test_things_are_sound_and_of_many_kinds() -> None:
    things = [random_thing(np.random.default_rng(seed)) for seed in range(30)]
    assert all(is_sound(thing) for thing in things)
    assert len({len(thing.faces) for thing in things}) > 15


def test_a_photo_is_cut_around_its_object() -> None:
    rng = np.random.default_rng(1)
    for seed in range(6):
        photo = photo_of(draw(armchair, seed), rng)
        assert photo.crop.shape == (CROP_SIZE, CROP_SIZE, 3) and photo.mask.shape == (CROP_SIZE, CROP_SIZE)
        assert 0.1 < photo.mask.mean() < 0.8


def test_samples_repeat_with_their_seed() -> None:
    backbone = EmbeddedBackbone()
    ticks: list[int] = []
    first = front_samples(backbone, photos(), 3, 0, lambda: ticks.append(1))
    again, other = (front_samples(backbone, photos(), 3, seed) for seed in (0, 1))
    assert len(first) == len(ticks) == 3
    assert torch.equal(first.azimuth, again.azimuth) and torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.azimuth, other.azimuth)
    assert first.tokens.shape == (3, 64, 384) and first.outline.shape == (3, 64, 4)
    assert ((first.elevation >= -5) & (first.elevation <= 60)).all()
