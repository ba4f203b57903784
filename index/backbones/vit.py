"""Any timm ViT as a backbone: masks by TokenCut, descriptors from its tokens."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from safetensors.torch import load_file
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
from index.backbones.tokencut import cut_foreground
from index.precision import Precision
from index.views import CROP_SIZE
from ops.errors import BackboneError

DINOV2 = "vit_small_patch14_reg4_dinov2"
"""timm's name of DINOv2 ViT-S/14 with registers (Oquab et al., TMLR 2024; Darcet et al., ICLR 2024)."""

DINOV2_REPOSITORY = "timm/vit_small_patch14_reg4_dinov2.lvd142m"
WEIGHTS_FILE = "model.safetensors"
PROBE_SECONDS = 5.0
"""How long the hub may take to answer at all."""

_ADVICE = "check the connection, or choose the backbone `embedded`, which needs none"

PATCH_LAYER = 0.75
"""Depth the dense features are taken from, as a share of all blocks: block 9 of 12."""


class ViTBackbone(Backbone):
    """A plain ViT, pretrained without labels: foreground by TokenCut, class token and masked mean as descriptor.

    Args:
        name: what was asked for.
        architecture: timm's name of the architecture.
        weights: a ``.safetensors`` file or a torch file that loads with ``weights_only``.
        device: torch device.
        precision: arithmetic of the forward pass.

    Raises:
        BackboneError: unknown architecture, or weights that are unreadable or don't fit it.
    """

    def __init__(
        self,
        name: str,
        architecture: str,
        weights: Path,
        *,
        device: str = "cpu",
        precision: Precision = "auto",
    ) -> None:
        super().__init__(device, precision)
        vit = _build(architecture)
        _load(vit, _read(weights), weights)
        self.name = name
        self.fingerprint = fingerprint(f"{architecture} v{PREPROCESSING_VERSION}", {"vit": vit})
        self.patch_dim = vit.embed_dim
        self.grid = vit.patch_embed.grid_size[0]
        self.dim = 2 * vit.embed_dim
        self._block = max(round(PATCH_LAYER * len(vit.blocks)), 1)
        self._mean = vit.pretrained_cfg.get("mean", IMAGENET_MEAN)
        self._std = vit.pretrained_cfg.get("std", IMAGENET_STD)
        self._vit = vit.to(self.device).eval()
        cast_once(self._dtype, self._vit)

    def _look(self, images: Tensor) -> Look:
        patches, _ = self._tokens(images)
        coarse = cut_foreground(patches)[:, None]
        resized = F.interpolate(coarse, size=images.shape[1:3], mode="bilinear", align_corners=False)
        return Look(resized[:, 0], patches)

    def _patches(self, crops: Tensor) -> Tensor:
        return block_features(self._vit, to_input(crops, self._mean, self._std), self._block)

    def _describe(self, crops: Tensor, masks: Tensor, look: Look) -> Tensor:
        # The class token sees the whole crop, so the backdrop has to go before the forward pass.
        patches, cls = self._tokens(torch.where(masks[..., None], crops, BACKDROP))
        cover = F.adaptive_avg_pool2d(masks.float()[:, None], self.grid)
        mean = (patches * cover).sum(dim=(2, 3))
        return torch.cat([F.normalize(cls, dim=1), F.normalize(mean, dim=1)], dim=1) / 2**0.5

    def _tokens(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Last patch tokens ``(N, C, G, G)`` and class token ``(N, C)``, float32, after the final norm."""
        tokens = self._vit.forward_features(to_input(images, self._mean, self._std)).float()
        patches = tokens[:, self._vit.num_prefix_tokens :].transpose(1, 2)
        side = round(patches.shape[2] ** 0.5)
        return patches.unflatten(2, (side, side)), tokens[:, 0]


def fetch_dinov2() -> Path:
    """Path of the pretrained DINOv2 weights, fetched from timm's hub on first use.

    Raises:
        BackboneError: they are not in the local cache and the hub can't be reached.
    """
    cached = huggingface_hub.try_to_load_from_cache(DINOV2_REPOSITORY, WEIGHTS_FILE)
    if isinstance(cached, str):
        return Path(cached)
    _probe_hub()
    try:
        return Path(huggingface_hub.hf_hub_download(DINOV2_REPOSITORY, WEIGHTS_FILE))
    except Exception as error:  # the hub's client passes on a dozen unrelated types
        raise BackboneError(f"dinov2: the weights could not be fetched ({_first_line(error)}); {_ADVICE}") from error


def _probe_hub() -> None:
    """Fail within seconds where there is no hub: its client alone would retry for most of a minute."""
    try:
        with urllib.request.urlopen(huggingface_hub.constants.ENDPOINT, timeout=PROBE_SECONDS):
            pass
    except urllib.error.HTTPError:
        return  # an answer, whatever it says, is a hub that can be reached
    except (OSError, ValueError) as error:
        raise BackboneError(f"dinov2: the model hub can't be reached ({_first_line(error)}); {_ADVICE}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _build(architecture: str) -> Any:
    if not timm.is_model(architecture):
        raise BackboneError(f"timm has no architecture {architecture!r}: see timm.list_models('vit_*')")
    model = timm.create_model(architecture)
    if not hasattr(model, "num_prefix_tokens") or not hasattr(model, "blocks"):
        raise BackboneError(f"{architecture} is no ViT: a backbone needs patch tokens")
    return timm.create_model(architecture, img_size=CROP_SIZE, num_classes=0, dynamic_img_size=True)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen unrelated types
        raise BackboneError(f"cannot read weights {path}: {_first_line(error)}") from error
    state = state.get("state_dict", state.get("model", state)) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BackboneError(f"cannot use weights {path}: it holds no state dict of tensors")
    return dict(state)


def _load(vit: Any, state: dict[str, Tensor], path: Path) -> None:
    """Load a checkpoint of the same architecture, at any resolution and with any classifier."""
    fitted = timm.models.vision_transformer.checkpoint_filter_fn(state, vit)
    try:
        missing, _ = vit.load_state_dict(fitted, strict=False)
    except RuntimeError as error:
        raise BackboneError(f"weights {path} don't fit the architecture: {_first_line(error)}") from error
    if missing:
        raise BackboneError(f"weights {path} don't fit the architecture: {len(missing)} parameters are missing")
