"""The mask head alone, and the weights that ship with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from index.backbones import foreground, load_backbone
from index.backbones.foreground import ForegroundHead, load_foreground_head
from index.views import ObjectView
from ops.bench.masks import iou, uncrop
from ops.errors import BackboneError
from ops.synth.assembly import assembly
from ops.synth.render import photograph
from ops.synth.shapes import assemble


@pytest.mark.parametrize(("grid", "size"), [(16, 224), (10, 140)])
def test_a_logit_for_every_pixel_and_every_token(grid: int, size: int) -> None:
    head = ForegroundHead(dim=8, layers=2).eval()
    tokens = [torch.randn(3, 8, grid, grid) for _ in range(2)]
    logits, coarse = head(tokens, torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8))
    assert logits.shape == (3, size, size) and coarse.shape == (3, grid, grid)
    assert logits.dtype == coarse.dtype == torch.float32


def test_it_depends_on_tokens_and_on_pixels() -> None:
    torch.manual_seed(0)
    head = ForegroundHead(dim=8, layers=1).eval()
    tokens, image = torch.randn(1, 8, 4, 4), torch.zeros(1, 56, 56, 3, dtype=torch.uint8)
    logits, _ = head([tokens], image)
    assert not torch.allclose(logits, head([-tokens], image)[0], atol=1e-3)
    assert not torch.allclose(logits, head([tokens], image + 200)[0], atol=1e-3)


def test_the_shipped_weights_are_small_and_load() -> None:
    assert foreground.WEIGHTS.stat().st_size < 2**20
    assert sum(value.numel() for value in load_foreground_head().parameters()) > 10**5


def test_missing_weights_are_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(foreground, "WEIGHTS", tmp_path / "foreground.safetensors")
    with pytest.raises(BackboneError, match=r"foreground.safetensors is missing"):
        load_foreground_head()


def test_objects_of_no_kind_are_cut_out() -> None:
    rng, overlaps = np.random.default_rng(99), []
    photos = [photograph(assemble("thing", "thing", assembly(rng)), rng) for _ in range(6)]
    for photo, view in zip(photos, load_backbone("embedded").embed([p.image for p in photos]), strict=True):
        assert isinstance(view, ObjectView)
        overlaps.append(iou(uncrop(view.mask, view.box, view.image_size), photo.mask))
    assert np.mean(overlaps) > 0.8
