"""Device, input and fingerprint."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from index.backbones import load_backbone
from index.backbones.compute import cast_once, fingerprint, to_input
from ops.errors import BackboneError


def test_the_fingerprint_sees_weights_names_and_description() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    base = fingerprint("a v1", {"layer": layer})
    assert len(base) == 16 and base == fingerprint("a v1", {"layer": layer})
    assert base != fingerprint("a v2", {"layer": layer})
    assert base != fingerprint("a v1", {"other": layer})
    with torch.no_grad():
        layer.bias[0] += 1e-6
    assert base != fingerprint("a v1", {"layer": layer})


def test_input_is_normalised_channel_by_channel() -> None:
    images = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    images[..., 1] = 255
    result = to_input(images, (0.0, 0.5, 0.5), (1.0, 0.5, 0.25))
    assert result.shape == (1, 3, 2, 2)
    assert result[0, :, 0, 0].tolist() == [0.0, 1.0, -2.0]


@torch.inference_mode()
def test_weights_that_are_rounded_once_give_what_autocast_gives() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5), nn.LayerNorm(5)).eval()
    pictures = torch.randn(4, 3, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        before = layers(pictures)
        cast_once(torch.float32, layers)
        assert {weight.dtype for weight in layers.parameters()} == {torch.float32}
        cast_once(torch.bfloat16, layers)
        assert [part.weight.dtype for part in layers if hasattr(part, "weight")] == [
            torch.bfloat16, torch.float32, torch.bfloat16, torch.float32,
        ]  # fmt: skip
        assert torch.equal(layers(pictures), before)
    assert not torch.equal(layers.float()(pictures), before), "bfloat16 changes nothing here, so neither could this"


def test_an_unusable_device_is_one_line() -> None:
    with pytest.raises(BackboneError, match="nonsense") as caught:
        load_backbone("embedded", device="nonsense")
    assert "\n" not in str(caught.value)
