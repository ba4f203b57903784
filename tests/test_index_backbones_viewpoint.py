from __future__ import annotations

import numpy as np
import pytest
import torch

from index.backbones import viewpoint
from index.backbones.embedded import EmbeddedBackbone
from index.backbones.viewpoint import AZIMUTHS, ViewpointHead, guess, load_viewpoint_head, mirror, opposite, pool
from ops.errors import BackboneError
from ops.synth.seats import armchair, four_leg_chair
from ops.train.fronts import photo_of
from tests.synth_checks import draw


def inputs(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(count, 64, 64)
    masks[:, 10:50, 20:60] = 1
    return torch.randn(count, 12, 16, 16, generator=generator), masks


def test_tokens_are_means_over_the_foreground() -> None:
    features, masks = inputs()
    features[:, :, :, :5] = 1e4  # outside of the mask
    tokens, outline = pool(features, masks)
    assert tokens.shape == (3, 64, 12) and outline.shape == (3, 64, 4)
    assert tokens.abs().max() < 10
    assert torch.isclose(outline.mean(), masks.mean())


def test_the_mirror_image_of_what_is_pooled_is_pooled_of_the_mirror_image() -> None:
    features, masks = inputs()
    for ours, theirs in zip(mirror(*pool(features, masks)), pool(features.flip(-1), masks.flip(-1)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_opposite_azimuths_are_each_others() -> None:
    odds = torch.arange(AZIMUTHS).float()
    assert opposite(odds)[0] == 0 and opposite(odds)[1] == AZIMUTHS - 1
    assert torch.equal(opposite(opposite(odds)), odds)


def test_tokens_without_foreground_are_not_read() -> None:
    torch.manual_seed(0)
    head = ViewpointHead(12).eval()
    features, masks = inputs()
    tokens, outline = pool(features, masks)
    changed = torch.where((outline.mean(-1) > 0)[..., None], tokens, tokens + 7)
    assert not torch.equal(changed, tokens)
    assert torch.allclose(head(changed, outline)[0], head(tokens, outline)[0], atol=1e-5)
    nothing = head(tokens, outline * 0)
    assert all(torch.isfinite(logits).all() for logits in nothing)


def test_a_mirrored_crop_is_guessed_at_the_opposite_azimuth() -> None:
    torch.manual_seed(0)
    head = ViewpointHead(12).eval()
    features, masks = (x.numpy() for x in inputs())
    turned = np.ascontiguousarray(features[..., ::-1])
    odds, elevation = guess(head, features, turned, masks > 0)
    other, level = guess(head, turned, features, masks[..., ::-1] > 0)
    assert np.allclose(opposite(torch.from_numpy(odds)).numpy(), other, atol=1e-5)
    assert np.allclose(np.exp(odds).sum(1), 1, atol=1e-4) and np.allclose(elevation, level, atol=1e-4)


def test_the_head_that_ships_knows_the_front_of_a_chair() -> None:
    backbone = EmbeddedBackbone()
    rng = np.random.default_rng(5)
    photos = [photo_of(draw(maker, seed), rng) for maker in (four_leg_chair, armchair) for seed in range(8)]
    crops, masks = (np.stack([getattr(photo, name) for photo in photos]) for name in ("crop", "mask"))
    features, mirrored = backbone.patches(crops), backbone.patches(np.ascontiguousarray(crops[:, :, ::-1]))
    odds, elevation = backbone.viewpoints(features, mirrored, masks)
    away = odds.argmax(1) * (360 / AZIMUTHS) - np.array([photo.azimuth for photo in photos])
    assert np.mean(np.abs((away + 180) % 360 - 180) <= 30) >= 0.6
    assert np.median(np.abs(elevation - [photo.elevation for photo in photos])) < 10


def test_an_installation_without_its_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewpoint, "WEIGHTS", viewpoint.WEIGHTS.with_name("none.safetensors"))
    load_viewpoint_head.cache_clear()
    with pytest.raises(BackboneError, match="install the package anew"):
        load_viewpoint_head()
