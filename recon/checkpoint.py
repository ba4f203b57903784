"""Where a reconstruction was: steps that are done are read back instead of computed again.

A step is kept with the state of the generator after it, so that what follows is the same as without interruption.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ops.faults import reach
from ops.logs import get_logger
from recon.config import ReconConfig
from recon.types import Views
from recon.volume import Hypotheses

_log = get_logger("recon")
_SCHEMA = 1
_GENERATOR = "generator"
_MOST = 16
"""Files in a folder; those of jobs that never came back are the oldest."""


class Checkpoint:
    """Steps of one reconstruction, in a file that is replaced as a whole after each of them, or nowhere."""

    def __init__(self, path: Path | None = None, device: str | torch.device = "cpu") -> None:
        """Reads the file if there is one; one that is damaged counts as none, and is replaced.

        Args:
            path: None keeps nothing.
            device: of what is read back.
        """
        self._path, self._device = path, device
        self._kept: dict[str, Tensor] = {}
        if path is None or not path.exists():
            return
        try:
            self._kept = load(path.read_bytes())
        except (SafetensorError, OSError) as error:
            _log.warning("the checkpoint %s cannot be read, so work begins anew: %s", path, error)

    def step(self, name: str, generator: torch.Generator, work: Callable[[], Hypotheses]) -> Hypotheses:
        """What a step gave: read back, with the generator as it was after it, or computed and kept.

        Args:
            name: of the step, once a reconstruction.
            generator: that the work draws from.
            work: the step.
        """
        if self._path is None:
            return work()
        names = {field: f"{name}.{field}" for field in Hypotheses.__slots__}
        if all(key in self._kept for key in names.values()):
            generator.set_state(self._kept[f"{name}.{_GENERATOR}"])
            return Hypotheses(*(self._kept[key].to(self._device) for key in names.values()))
        done = work()
        # Copies: a step may hand on what the one before it found, and a file holds no tensor twice.
        self._kept |= {key: getattr(done, field).cpu().contiguous().clone() for field, key in names.items()}
        self._kept[f"{name}.{_GENERATOR}"] = generator.get_state()
        self._write(self._path)
        return done

    def close(self) -> None:
        """Removes the file; the reconstruction is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        fresh.write_bytes(save(self._kept))
        os.replace(fresh, path)
        reach("recon.checkpoint")


def checkpoint_in(
    folder: Path | None, views: Views, config: ReconConfig, seed: int, device: str | torch.device
) -> Checkpoint:
    """The checkpoint of a cold start in a folder, its file named after everything that the result depends on.

    Args:
        folder: None keeps nothing.
        views: that are fitted.
        config: of the reconstruction.
        seed: of the reconstruction.
        device: it computes on.
    """
    if folder is None:
        return Checkpoint()
    digest = hashlib.sha256(f"{_SCHEMA} {config} {seed}".encode())
    arrays: list[NDArray[Any]] = [views.ids, views.crops, views.masks, views.features, views.flipped_features]
    if views.viewpoints is not None:
        arrays += [views.viewpoints.azimuth, views.viewpoints.elevation]
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(array.tobytes())
    _tidy(folder)
    return Checkpoint(folder / f"{digest.hexdigest()[:32]}.safetensors", device)


def _tidy(folder: Path) -> None:
    newest_first = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in newest_first[_MOST - 1 :]:
        path.unlink(missing_ok=True)
