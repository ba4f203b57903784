"""Reconstructor: turns the images of a cluster into cameras and a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.plan import ReconstructorOptions
from actors.resources import claim_process, resident_bytes
from index.heap import keep_freed_memory, release_free_memory
from index.jobs import ReconInput, ReconOutput
from ops.logs import LogOptions

if TYPE_CHECKING:
    from actors.reconstruction import Workshop


class Reconstructor:
    """Owns a backbone for dense features and a device to reconstruct on."""

    def __init__(self, logs: LogOptions, options: ReconstructorOptions) -> None:
        claim_process(logs)
        keep_freed_memory()
        self._options = options
        self._workshop: Workshop | None = None

    def run(self, given: ReconInput) -> ReconOutput:
        """Reconstructs a cluster, from the version before if there is one.

        Raises:
            ReconstructionError: the reconstruction broke, or memory ran out.
        """
        if self._workshop is None:
            from actors.reconstruction import Workshop  # the daemon imports this module, and torch takes seconds

            self._workshop = Workshop(self._options)
        try:
            return self._workshop.run(given)
        finally:
            release_free_memory()

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
