"""The mask head of the `embedded` backbone: tokens of several depths and the pixels to a foreground map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from index.backbones.weights import load_shipped

TOKEN_LAYERS = (3, 6, 9, 12)
"""ViT blocks whose patch tokens the head reads: the early ones know edges, the last ones objects."""

WEIGHTS = Path(__file__).with_name("foreground.safetensors")
"""Trained by ``python -m ops.train foreground`` on procedural pictures; no human labels."""

_WIDTHS = (20, 32, 32)
_GROUPS = 4


class ForegroundHead(nn.Module):
    """A U-shaped decoder: patch tokens carry what the object is, a shallow stem where its edges run.

    The layout follows U-Net (Ronneberger et al., MICCAI 2015): maps of rising resolution, each joined with the
    stem's map of its size. Half the picture's resolution is the finest; sub-pixel convolution (Shi et al., CVPR
    2016) gives the last factor of two.

    Args:
        dim: channels of a token.
        layers: number of layers whose tokens are read.
    """

    def __init__(self, dim: int = 384, layers: int = len(TOKEN_LAYERS)) -> None:
        super().__init__()
        fine, middle, coarse = _WIDTHS
        self.reduce = nn.Conv2d(dim * layers, 96, 1)
        self.context = nn.Sequential(nn.GELU(), _block(96, 64), _block(64, 64))
        self.stem = nn.ModuleList([_block(12, fine), _block(fine, middle, 2), _block(middle, coarse, 2)])
        self.merge = nn.ModuleList([_block(64 + coarse, 48), _block(48 + middle, 32), _block(32 + fine, 24)])
        self.logits = nn.Conv2d(24, 4, 1)
        self.coarse_logit = nn.Conv2d(64, 1, 1)

    def forward(self, tokens: Sequence[Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
        """Foreground logits of pictures.

        Args:
            tokens: patch tokens ``(N, C, G, G)`` of each layer, not normalised.
            images: ``(N, S, S, 3)`` uint8 RGB, S even.

        Returns:
            Logits ``(N, S, S)``, and the logits ``(N, G, G)`` of the tokens alone, which only training needs.
        """
        normed = [F.layer_norm(t.float().permute(0, 2, 3, 1), (t.shape[1],)).permute(0, 3, 1, 2) for t in tokens]
        x = self.context(self.reduce(torch.cat(normed, 1)))
        coarse = self.coarse_logit(x)[:, 0]
        pixels = F.pixel_unshuffle(images.permute(0, 3, 1, 2).float() / 127.5 - 1, 2)
        skips = []
        for stage in self.stem:
            pixels = stage(pixels)
            skips.append(pixels)
        for stage, skip in zip(self.merge, reversed(skips), strict=True):
            enlarged = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = stage(torch.cat([enlarged, skip], 1))
        return F.pixel_shuffle(self.logits(x), 2)[:, 0].float(), coarse.float()


def layer_tokens(vit: Any, inputs: Tensor) -> list[Tensor]:
    """Patch tokens ``(N, C, G, G)`` of a ViT after each of `TOKEN_LAYERS`, without the final norm."""
    indices = [layer - 1 for layer in TOKEN_LAYERS]
    tokens: list[Tensor] = vit.forward_intermediates(inputs, indices=indices, norm=False, intermediates_only=True)
    return tokens


def load_foreground_head() -> ForegroundHead:
    """The head with the weights that ship with the package.

    Raises:
        BackboneError: the installation lacks them.
    """
    head = ForegroundHead()
    load_shipped(head, WEIGHTS)
    return head.eval()


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(_GROUPS, outputs), nn.GELU())
