"""How the forward passes run: device, arithmetic, input; and which weights ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from index.precision import Precision
from ops.errors import BackboneError

PREPROCESSING_VERSION = 2
"""Part of every fingerprint; raise it when masks, crops or descriptors change for the same weights."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_input(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalise images ``(N, H, W, 3)`` of 0 to 255 to float32 ``(N, 3, H, W)`` with a channel's mean and spread."""
    scaled = images.permute(0, 3, 1, 2).float() / 255
    return (scaled - scaled.new_tensor(mean)[:, None, None]) / scaled.new_tensor(std)[:, None, None]


def block_features(vit: Any, inputs: Tensor, block: int) -> Tensor:
    """Patch tokens ``(N, C, G, G)`` after a block of a ViT, counted from 1; the blocks behind it don't run."""
    features: Tensor
    (features,) = vit.forward_intermediates(
        inputs, indices=[block - 1], norm=False, intermediates_only=True, stop_early=True
    )
    return features


def fingerprint(description: str, modules: Mapping[str, nn.Module]) -> str:
    """Hex digest, 16 digits, of a description and every parameter and buffer of the modules."""
    digest = hashlib.sha256(description.encode())
    for name, module in sorted(modules.items()):
        for key, value in sorted(module.state_dict().items()):
            digest.update(f"{name}.{key}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def find_device(name: str) -> torch.device:
    """The torch device of a name, tried out.

    Raises:
        BackboneError: torch does not know it or cannot use it here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BackboneError(f"torch cannot use the device {name!r}: {str(error).splitlines()[0]}") from error
    return device


def compute_dtype(device: torch.device, precision: Precision) -> torch.dtype:
    """bfloat16 where asked for, or where ``auto`` finds hardware for it; else float32.

    With ``int8`` it is of what is not quantised.
    """
    if precision == "fp32":
        return torch.float32
    if precision == "bf16" or _has_bf16(device):
        return torch.bfloat16
    return torch.float32


def cast_once(dtype: torch.dtype, *modules: nn.Module) -> None:
    """Rounds the weights that autocast would round in every forward pass; what comes out is the same, bit for bit."""
    if dtype == torch.float32:
        return
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.Linear | nn.Conv2d):
                part.to(dtype)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    cpu_flags = Path("/proc/cpuinfo")
    return device.type == "cpu" and cpu_flags.is_file() and "avx512_bf16" in cpu_flags.read_text()
