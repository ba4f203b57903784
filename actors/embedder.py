"""Embedder: owns a backbone on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import ray

from actors.resources import claim_process, pick_device, resident_bytes
from index.backbones import Backbone, load_backbone
from index.stream.batch import Batch
from index.stream.embed import embed_batch

_CHECK_SIDE = 64


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """Identity of a loaded backbone."""

    name: str
    fingerprint: str
    dim: int


class Embedder:
    """Masks and embeds the images of batches."""

    def __init__(self, name: str, device: str, precision: Literal["auto", "fp32", "bf16"]) -> None:
        claim_process()
        self._choice = (name, pick_device(device), precision)
        self._backbone: Backbone | None = None

    def _loaded(self) -> Backbone:
        # Not in the constructor: a restarted actor runs only that, and an error there hides its cause.
        if self._backbone is None:
            name, device, precision = self._choice
            self._backbone = load_backbone(name, device=device, precision=precision)
        return self._backbone

    def info(self) -> BackboneInfo:
        """Loads the backbone and tells what it is.

        Raises:
            BackboneError: its weights are missing, unreadable or unreachable.
        """
        backbone = self._loaded()
        return BackboneInfo(backbone.name, backbone.fingerprint, backbone.dim)

    @ray.method(max_task_retries=0)
    def embed(self, batch: Batch) -> Batch:
        """Embeds a batch; not tried again by Ray, since an image of it may be what ends the process."""
        return embed_batch(self._loaded(), batch)

    def check(self) -> None:
        """Embeds a plain picture: what fails here is not an image's fault."""
        self._loaded().embed([np.full((_CHECK_SIDE, _CHECK_SIDE, 3), 128, np.uint8)])

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
