"""What supervisors are told: whether the control loop still turns, and whether the library it keeps is whole."""

from __future__ import annotations

from enum import Enum

from daemon.telemetry import Telemetry
from ops import metrics

_PATIENCE_S = 600.0  # the writer may take minutes to catch up with its index; longer than this it hangs


class Phase(Enum):
    """Where a daemon is in its life."""

    STARTING = "it is starting: workers are loaded and the index is brought up to date"
    RUNNING = ""
    STOPPING = "it is stopping"


class Health:
    """Truth about a running daemon, from its own measurements."""

    def __init__(self, telemetry: Telemetry, patience_s: float = _PATIENCE_S) -> None:
        """Begins in the phase of starting.

        Args:
            telemetry: what was measured.
            patience_s: time for one turn of the control loop, after which it is taken to hang.
        """
        self._telemetry = telemetry
        self._patience_s = patience_s
        self.phase = Phase.STARTING
        metrics.READY.set_function(lambda: float(not self.unready()))

    def ill(self) -> str:
        """Why the process should be replaced; empty if it should not. A full disk is no reason."""
        idle_s = self._telemetry.idle_s()
        if self.phase is Phase.STARTING or idle_s <= self._patience_s:
            return ""
        return f"the control loop has not turned for {idle_s:.0f} s"

    def unready(self) -> str:
        """Why the library is not fit to be asked now; empty if it is."""
        if self.phase is not Phase.RUNNING:
            return str(self.phase.value)
        progress = self._telemetry.progress
        behind = progress.images - progress.index_vectors
        return f"the index lacks {behind} of {progress.images} images" if behind > 0 else self.ill()
