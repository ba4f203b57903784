from __future__ import annotations

import pytest
import torch

from ops.train.fit import BATCH, Step, fit
from ops.train.samples import Samples


def bright_squares(count: int, weight: float = 1.0) -> Samples:
    """Bright squares on dark ground, and tokens that tell where, roughly."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 60, (count, 32, 32, 3), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(count, 32, 32, dtype=torch.uint8)
    for row, (x, y) in enumerate(torch.randint(0, 16, (count, 2), generator=generator).tolist()):
        images[row, y : y + 14, x : x + 14] += 150
        masks[row, y : y + 14, x : x + 14] = 255
    shares = torch.nn.functional.adaptive_avg_pool2d(masks[:, None].float() / 255, 4)
    tokens = torch.cat([shares, 1 - shares, shares * 0, shares * 0 + 1], 1)[:, None]
    return Samples(images, masks, tokens.half(), weight)


def run(seed: int, epochs: int = 12, weight: float = 1.0) -> list[Step]:
    steps: list[Step] = []
    fit([bright_squares(2 * BATCH, weight)], epochs, seed, torch.device("cpu"), steps.append)
    return steps


def test_it_learns_what_is_in_the_samples() -> None:
    steps = run(0, epochs=25)
    assert [step.done for step in steps] == list(range(1, steps[-1].total + 1))
    assert steps[-1].loss < 0.5 * steps[0].loss
    assert steps[-1].iou > 0.8


def test_it_repeats_with_its_seed() -> None:
    first, again, other = run(1, 2), run(1, 2), run(2, 2)
    assert [step.loss for step in first] == pytest.approx([step.loss for step in again], rel=1e-4)
    assert first[0].loss != pytest.approx(other[0].loss, rel=1e-4)


def test_a_set_of_no_weight_teaches_nothing() -> None:
    steps = run(3, epochs=8, weight=0.0)
    assert steps[-1].iou < 0.5
