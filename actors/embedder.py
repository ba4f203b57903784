"""Embedder: owns a backbone on a device."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import ray

from actors.plan import BackboneInfo
from actors.resources import claim_process, resident_bytes
from actors.sharing import SharedTime
from index.heap import keep_freed_memory
from index.precision import Precision
from index.stream.batch import Batch
from index.stream.embed import embed_batch
from ops.logs import LogOptions

if TYPE_CHECKING:
    from index.backbones import Backbone

_CHECK_SIDE = 64


class Embedder:
    """Masks and embeds the objects of batches of images, up to ``objects`` of each.

    Several batches can be embedded at once, each in a thread of its own: what a batch does on one core then goes on
    beside what another does on a device or on all cores.
    """

    def __init__(
        self,
        logs: LogOptions,
        name: str,
        device: str,
        precision: Precision,
        sharers: int,
        objects: int,
    ) -> None:
        claim_process(logs)
        keep_freed_memory()
        self._objects = objects
        self._choice = (name, device, precision)
        self._sharers = sharers
        self._backbone: Backbone | None = None
        self._loading = Lock()
        self._time = SharedTime()

    def _loaded(self) -> Backbone:
        # Not in the constructor: a restarted actor runs only that, and an error there hides its cause.
        from actors.device import claim_cores, claim_device  # the daemon imports this module, and torch takes seconds

        claim_cores(self._sharers)  # each thread has its own
        with self._loading:
            if self._backbone is None:
                from index.backbones import load_backbone

                name, device, precision = self._choice
                self._backbone = load_backbone(name, device=claim_device(device), precision=precision)
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
        """Embeds a batch; not tried again by Ray, since an image of it may be what ends the process.

        The seconds noted with it are its share of the time in which anything was embedded.
        """
        backbone = self._loaded()
        with self._time.using() as share:
            embedded = embed_batch(backbone, batch, self._objects)
        return replace(embedded, embed_seconds=share.seconds)

    def check(self) -> None:
        """Embeds a plain picture: what fails here is not an image's fault."""
        self._loaded().embed([np.full((_CHECK_SIDE, _CHECK_SIDE, 3), 128, np.uint8)])

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
