"""Foreground by one normalised cut."""

from __future__ import annotations

import pytest
import torch

from index.backbones.tokencut import cut_foreground


def tokens(mask: torch.Tensor, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(32, 2, generator=generator)).Q
    base = torch.where(mask, directions[:, 0, None, None], directions[:, 1, None, None])
    return base + 0.03 * torch.randn(32, *mask.shape, generator=generator)


def rectangle(rows: slice, columns: slice, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize("mask", [rectangle(slice(4, 9), slice(6, 13)), rectangle(slice(1, 15), slice(1, 15))])
def test_it_finds_an_object_smaller_or_larger_than_its_backdrop(mask: torch.Tensor) -> None:
    found = cut_foreground(tokens(mask)[None])[0]
    assert found.shape == mask.shape
    assert torch.equal(found > 0.5, mask)


def test_images_of_a_batch_do_not_affect_each_other() -> None:
    batch = torch.stack(
        [tokens(rectangle(slice(2, 7), slice(2, 9)), 1), tokens(rectangle(slice(8, 14), slice(5, 9)), 2)]
    )
    together = cut_foreground(batch)
    alone = torch.cat([cut_foreground(image[None]) for image in batch])
    assert torch.allclose(together, alone, atol=1e-4)


def test_identical_tokens_give_finite_values() -> None:
    found = cut_foreground(torch.ones(1, 8, 4, 4))
    assert torch.isfinite(found).all()
