"""Image encoders: pictures in, object views and dense patch features out."""

from __future__ import annotations

from pathlib import Path

from index.backbones.base import Backbone
from index.backbones.embedded import EmbeddedBackbone
from index.backbones.vit import DINOV2, ViTBackbone, fetch_dinov2
from index.precision import Precision
from ops.errors import BackboneError

__all__ = ["Backbone", "load_backbone"]


def load_backbone(name: str, *, device: str = "cpu", precision: Precision = "auto") -> Backbone:
    """Load a backbone by name.

    Args:
        name: ``embedded``: weights inside installed packages, no network. ``dinov2``: timm's pretrained DINOv2
            ViT-S/14 with registers, from its hub. ``ARCHITECTURE:FILE``: local weights (``.safetensors`` or a torch
            file) of any timm ViT, such as ``vit_small_patch14_dinov2:/models/my.safetensors``.
        device: torch device, such as ``cpu`` or ``cuda:0``.
        precision: ``auto`` takes bfloat16 where the hardware has it. ``int8`` finds and describes objects by a ViT with
            8-bit linear layers, for ``embedded`` on processors; patch features are those of ``auto``.

    Raises:
        BackboneError: unknown name, missing or unfit weights, an unusable device, a precision that the backbone or
            the device does not have, or a hub that can't be reached. Never another backbone than the one asked for.
    """
    if name == "embedded":
        return EmbeddedBackbone(device=device, precision=precision)
    if precision == "int8":
        raise BackboneError(f"backbone {name!r} has no precision int8, only `embedded` has: choose auto")
    if name == "dinov2":
        return ViTBackbone(name, DINOV2, fetch_dinov2(), device=device, precision=precision)
    architecture, colon, file = name.partition(":")
    if not colon:
        raise BackboneError(f"unknown backbone {name!r}: choose embedded, dinov2 or ARCHITECTURE:FILE")
    if not Path(file).is_file():
        raise BackboneError(f"backbone {name!r}: there is no file {file}")
    return ViTBackbone(name, architecture, Path(file), device=device, precision=precision)
