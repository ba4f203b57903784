"""From which side an object is seen, guessed from one picture: odds over azimuths and the camera's elevation.

What looks like the front of one kind of thing looks like the front of others, so a guess carries over to kinds the
head never saw, though not to all (compare Orient Anything, Wang et al. 2024). It is a start for a search over many
pictures, not an answer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from index.backbones.weights import load_shipped

AZIMUTHS = 24
"""Azimuths that odds are given for: 0, 15, ... 345 degrees; 0 sees the front, 90 the object's +x side."""

ELEVATIONS = tuple(range(-10, 70, 5))
"""Elevations in degrees that the head weighs."""

WEIGHTS = Path(__file__).with_name("viewpoint.safetensors")
"""Trained by ``python -m ops.train viewpoint`` on procedural pictures; no human labels."""

_SIDE = 8
_HEADS, _BLOCKS, _WIDTH = 4, 2, 128
_COVERED = 0.02


class ViewpointHead(nn.Module):
    """A small transformer (Vaswani et al. 2017) over the foreground's patch tokens of a frozen encoder.

    Args:
        dim: channels of a token.
    """

    def __init__(self, dim: int = 384) -> None:
        super().__init__()
        self.embed, self.outline = nn.Linear(dim, _WIDTH), nn.Linear(4, _WIDTH)
        self.place = nn.Parameter(torch.randn(_SIDE**2, _WIDTH) * 0.02)
        self.blocks = nn.ModuleList([_Block() for _ in range(_BLOCKS)])
        readout = (nn.LayerNorm(2 * _WIDTH), nn.Linear(2 * _WIDTH, 2 * _WIDTH), nn.GELU())
        self.readout = nn.Sequential(*readout, nn.Linear(2 * _WIDTH, AZIMUTHS + len(ELEVATIONS)))

    def forward(self, tokens: Tensor, outline: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(N, AZIMUTHS)`` and ``(N, len(ELEVATIONS))`` of what `pool` gives."""
        cover = outline.mean(-1)
        seen = cover > _COVERED
        x = self.embed(F.layer_norm(tokens, tokens.shape[-1:])) * seen[..., None] + self.outline(outline) + self.place
        # A picture without foreground attends to everything rather than to nothing.
        attend = (seen | ~seen.any(1, keepdim=True))[:, None, None]
        for block in self.blocks:
            x = block(x, attend)
        share = cover / cover.sum(1, keepdim=True).clamp_min(1e-6)
        logits = self.readout(torch.cat([(x * share[..., None]).sum(1), x.amax(1)], -1))
        return logits[:, :AZIMUTHS], logits[:, AZIMUTHS:]


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.join = nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        widen, narrow = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(3 * _WIDTH, _WIDTH)
        self.mlp = nn.Sequential(nn.LayerNorm(_WIDTH), widen, nn.GELU(), narrow)

    def forward(self, x: Tensor, attend: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attend)
        x = x + self.join(mixed.transpose(1, 2).flatten(2))
        out: Tensor = x + self.mlp(x)
        return out


def pool(features: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """What the head reads of crops.

    Args:
        features: ``(N, C, G, G)`` patch features, G a multiple of 8.
        masks: ``(N, S, S)`` foreground in [0, 1].

    Returns:
        Mean foreground tokens ``(N, 64, C)``, and the masks' shares ``(N, 64, 4)`` in the quarters of each.
    """
    cover = F.adaptive_avg_pool2d(masks[:, None].float(), features.shape[-1])
    tokens = F.adaptive_avg_pool2d(features * cover, _SIDE) / F.adaptive_avg_pool2d(cover, _SIDE).clamp_min(1e-3)
    quarters = F.pixel_unshuffle(F.adaptive_avg_pool2d(masks[:, None].float(), 2 * _SIDE), 2)
    return tokens.flatten(2).transpose(1, 2), quarters.flatten(2).transpose(1, 2)


def mirror(tokens: Tensor, outline: Tensor) -> tuple[Tensor, Tensor]:
    """What `pool` would give, nearly, of the mirrored crops: seen at the opposite azimuth."""
    there, shares = (x.reshape(len(x), _SIDE, _SIDE, -1).flip(2).flatten(1, 2) for x in (tokens, outline))
    return there, shares[..., [1, 0, 3, 2]]


def opposite(logits: Tensor) -> Tensor:
    """Logits ``(..., AZIMUTHS)`` with every azimuth replaced by its negative."""
    return logits.flip(-1).roll(1, -1)


@torch.inference_mode()
def guess(
    head: ViewpointHead, features: NDArray[np.float32], mirrored: NDArray[np.float32], masks: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Odds and elevations from crops and their mirror images together.

    Args:
        head: where it is kept says on which device it runs.
        features: ``(N, C, G, G)`` of the crops.
        mirrored: the same of the mirrored crops.
        masks: ``(N, S, S)`` foreground of the crops.

    Returns:
        Log odds ``(N, AZIMUTHS)`` of azimuths, and elevations ``(N,)`` in degrees.
    """
    device = head.place.device
    outline = torch.from_numpy(np.ascontiguousarray(masks)).to(device)
    azimuth, elevation = head(*pool(torch.from_numpy(features).to(device), outline))
    other, level = head(*pool(torch.from_numpy(mirrored).to(device), outline.flip(-1)))
    odds = (azimuth.log_softmax(-1) + opposite(other.log_softmax(-1))).log_softmax(-1)
    steps = torch.tensor(ELEVATIONS, dtype=odds.dtype, device=device)
    return odds.cpu().numpy(), ((elevation + level) / 2).softmax(-1).matmul(steps).cpu().numpy()


@cache
def load_viewpoint_head() -> ViewpointHead:
    """The head with the weights that ship with the package.

    Raises:
        BackboneError: the installation lacks them.
    """
    head = ViewpointHead()
    load_shipped(head, WEIGHTS)
    return head.eval()
