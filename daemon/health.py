"""What supervisors are told: whether the control loop still turns, and whether the library it keeps is whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from daemon.telemetry import Telemetry
from ops import metrics

_PATIENCE_S = 600.0  # the writer may take minutes to catch up with its index; longer than this it hangs
_START_S = 2 * 3600.0  # migrating, indexing anew what is many millions, waiting for a cluster's nodes: not all day


class Phase(Enum):
    """Where a daemon is in its life."""

    STARTING = "it is starting: workers are loaded and the index is brought up to date"
    RUNNING = ""
    STOPPING = "it is stopping"


@dataclass(frozen=True, slots=True)
class PipelineState:
    """What the stages of a running daemon are at; all zero where none runs.

    Attributes:
        running: a daemon runs in this process.
        said: how it is, in a line.
        shard: the one that was committed to last.
        waiting_shards: known and not yet begun.
        images_per_second: rate of the last seconds.
        in_flight: batches that are read or embedded but not yet committed.
        recon_queue: clusters due for reconstruction.
        recon_running: reconstructions under way.
        stage_seconds: time spent in each stage since the daemon started.
    """

    running: bool = False
    said: str = "no daemon runs in this server's process; the library is what the last one left"
    shard: str = ""
    waiting_shards: int = 0
    images_per_second: float = 0.0
    in_flight: int = 0
    recon_queue: int = 0
    recon_running: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)


class Health:
    """Truth about a running daemon, from its own measurements."""

    def __init__(self, telemetry: Telemetry, patience_s: float = _PATIENCE_S, start_s: float = _START_S) -> None:
        """Begins in the phase of starting.

        Args:
            telemetry: what was measured.
            patience_s: time for one turn of the control loop, after which it is taken to hang.
            start_s: time until the loop turns at all, after which the start is taken to hang.
        """
        self._telemetry = telemetry
        self._patience_s = patience_s
        self._start_s = start_s
        self.phase = Phase.STARTING
        metrics.READY.set_function(lambda: float(not self.unready()))

    def runs(self) -> None:
        """Everything is up and the control loop begins; what starting took is not held against it."""
        self._telemetry.in_flight(0)
        self.phase = Phase.RUNNING

    def ill(self) -> str:
        """Why the process should be replaced; empty if it should not. A full disk is no reason."""
        idle_s = self._telemetry.idle_s()
        if self.phase is Phase.STARTING:
            return f"it has been starting for {idle_s:.0f} s" if idle_s > self._start_s else ""
        return f"the control loop has not turned for {idle_s:.0f} s" if idle_s > self._patience_s else ""

    def unready(self) -> str:
        """Why the library is not fit to be asked now; empty if it is."""
        if self.phase is not Phase.RUNNING:
            return str(self.phase.value)
        progress = self._telemetry.progress
        behind = progress.images - progress.index_vectors
        return f"the index lacks {behind} of {progress.images} images" if behind > 0 else self.ill()

    def pipeline(self) -> PipelineState:
        """What the stages are at."""
        now = self._telemetry.progress
        return PipelineState(
            True, self.unready() or "the daemon is running", now.shard, now.waiting_shards,
            self._telemetry.images_per_second(), now.in_flight, now.recon_queue, now.recon_running,
            dict(now.stage_seconds),
        )  # fmt: skip
