from __future__ import annotations

import pytest
import torch

from index.backbones.viewpoint import AZIMUTHS, mirror
from ops.train.fronts import Fronts
from ops.train.turn import BATCH, Turn, fit_viewpoint, soft_azimuth


def telling(count: int) -> Fronts:
    """Tokens that tell the azimuth: one channel its cosine, one its sine as seen from left to right."""
    generator = torch.Generator().manual_seed(0)
    azimuth = torch.rand(count, generator=generator) * 360
    tokens = torch.randn(count, 64, 8, generator=generator) * 0.1
    ramp = torch.linspace(-1, 1, 8).sign().repeat(8)
    tokens[..., 0] += torch.cos(azimuth.deg2rad())[:, None]
    tokens[..., 1] += torch.sin(azimuth.deg2rad())[:, None] * ramp
    return Fronts(tokens.half(), torch.ones(count, 64, 4).half(), azimuth, torch.full((count,), 30.0))


def run(seed: int, epochs: int) -> list[Turn]:
    turns: list[Turn] = []
    fit_viewpoint(telling(6 * BATCH), epochs, seed, torch.device("cpu"), turns.append)
    return turns


def test_it_learns_what_the_samples_tell() -> None:
    turns = run(0, 40)
    assert [turn.done for turn in turns] == list(range(1, turns[-1].total + 1))
    assert turns[-1].loss < 0.8 * turns[0].loss and turns[-1].near > 0.6


def test_it_repeats_with_its_seed() -> None:
    first, again, other = run(1, 1), run(1, 1), run(2, 1)
    assert [turn.loss for turn in first] == pytest.approx([turn.loss for turn in again], rel=1e-4)
    assert first[0].loss != pytest.approx(other[0].loss, rel=1e-4)


def test_targets_wrap_around() -> None:
    target = soft_azimuth(torch.tensor([359.0, 100.0]))
    assert target[0].argmax() == 0 and target[0, 1] > target[0, 2] and target[0, AZIMUTHS - 1] > target[0, 12]
    assert torch.allclose(target.sum(1), torch.ones(2))


def test_mirrored_samples_tell_the_opposite() -> None:
    samples = telling(4)
    tokens, _ = mirror(samples.tokens.float(), samples.outline.float())
    ramp = torch.linspace(-1, 1, 8).repeat(8)
    before, after = ((x[..., 1] * ramp).sum(1) for x in (samples.tokens.float(), tokens))
    assert torch.allclose(before, -after, atol=3)
