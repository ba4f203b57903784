"""The control loop: reads ahead, commits in order, reconstructs what has grown, stops cleanly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from actors.answers import Ref, get, wait
from actors.crew import Crew
from daemon.config import Config
from daemon.lanes import Lanes, Pending
from daemon.plan import ShardPlan
from daemon.recon_stage import ReconStage
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from daemon.triage import Triage, is_lost
from index.ingest import CommitReport, SettleReport
from index.jobs import PublishReport
from index.stream.batch import Batch, Mark
from ops.errors import RejectError, SourceError, WorkerError
from ops.logs import get_logger

_log = get_logger("stream")
_WAIT_S = 0.5
_DRAIN_S = 20.0  # Ray needs some seconds to end, and all of it must be over within 30


class Pipeline:
    """Drives the actors until the input ends or a stop is asked for."""

    def __init__(
        self,
        crew: Crew,
        plan: ShardPlan,
        config: Config,
        telemetry: Telemetry,
        on_report: Callable[[PublishReport], None],
    ) -> None:
        self._crew = crew
        self._plan = plan
        self._config = config
        self._telemetry = telemetry
        self._storage = StorageWait(telemetry, config.store.space_wait_s)
        self._triage = Triage(crew)
        self._recon = ReconStage(crew, self._storage, telemetry, on_report)
        self._lanes = Lanes(plan, self._read, self._embed, readers=len(crew.readers), in_flight=config.stream.in_flight)
        self._turn = 0
        self._stopping = self._settled = False
        self._next_look = 0.0
        self._deadline = math.inf
        self.failed_shards: list[str] = []

    def stop(self) -> None:
        """Asks the loop to drain: commit what has been read, drop reconstructions, return."""
        self._stopping = True
        self._storage.stop()
        self._triage.stop()

    def run(self) -> None:
        """Runs until the input ends (without ``follow``) or `stop` was called and the stream is drained."""
        for shard, error in self._plan.refused:
            self._reject(shard, error)
        self._recon.refresh()
        drained = False
        while not self._finished():
            if self._stopping and not drained:
                self._drain()
                drained = True
            self._step()

    def _drain(self) -> None:
        # What is being embedded now is worth waiting for, what queues behind it is not.
        self._lanes.stop_reading(keep=len(self._crew.embedders) * self._config.backbone.batches_at_once)
        self._recon.stop()
        self._deadline = time.monotonic() + _DRAIN_S

    def _finished(self) -> bool:
        if time.monotonic() > self._deadline:
            return True
        if not self._lanes.empty:
            return False
        return self._stopping or (self._settled and self._recon.idle)

    def _step(self) -> None:
        if not self._stopping:
            self._look_again()
            self._lanes.feed()
            self._settle_at_the_end()
            self._recon.feed()
        self._telemetry.in_flight(self._lanes.load)
        self._telemetry.waiting(self._plan.waiting)
        for ref in self._wait():
            self._on_ready(ref)

    def _settle_at_the_end(self) -> None:
        """Once nothing more will come, what was put where it seemed to belong is put where it belongs."""
        if self._settled or not self._lanes.empty or not self._plan.finite or self._plan.waiting:
            return
        report: SettleReport = self._storage.call(lambda: self._crew.miner.settle.remote())
        self._settled = True
        self._telemetry.settled(report)
        self._recon.refresh()

    def _look_again(self) -> None:
        if not self._plan.finite and time.monotonic() >= self._next_look:
            self._plan.look_again()
            self._next_look = time.monotonic() + self._config.stream.poll_s

    def _wait(self) -> list[Ref]:
        head = self._lanes.head()
        refs = self._lanes.reads() + self._recon.refs() + ([head.embedded] if head else [])
        began = time.perf_counter()
        if not refs:
            time.sleep(min(_WAIT_S, self._config.stream.poll_s))
            return []
        ready = wait(refs, _WAIT_S)
        stage = "embed" if head else "read" if self._lanes.reads() else "reconstruct"
        seconds = time.perf_counter() - began
        self._telemetry.waited(stage, seconds)
        if self._lanes.full:
            self._telemetry.held_back("embed", seconds)
        return ready

    def _on_ready(self, ref: Ref) -> None:
        head = self._lanes.head()
        if head is not None and ref == head.embedded:
            self._commit()
        elif ref in self._recon.refs():
            self._recon.on_done(ref)
        else:
            self._on_read(ref)

    def _on_read(self, ref: Ref) -> None:
        try:
            self._lanes.on_read(ref, get(ref))
        except (SourceError, WorkerError) as error:
            # A shard that kills whoever reads it must not stop the others either.
            shard = self._lanes.on_failed_read(ref)
            self.failed_shards.append(shard)
            _log.error("%s", error, extra={"shard": shard, "reason": error.reason})
            self._reject(shard, RejectError(error.reason, str(error)))

    def _commit(self) -> None:
        full = self._lanes.full  # before the batch leaves: while it is committed nothing takes its place
        pending = self._lanes.take()
        report = self._written(pending)
        if report is None:
            self._lanes.stop_reading(keep=0)
            return
        if full:
            self._telemetry.held_back("commit", report.seconds)
        if not report.index_saved:
            _log.warning("the FAISS index could not be saved; the stream goes on, the next start builds what it lacks")
        self._plan.committed(pending.header, report.cursor)
        self._telemetry.batch(pending.header, report)
        if not self._stopping:
            self._recon.outdated()

    def _written(self, pending: Pending) -> CommitReport | None:
        """What the writer says of a batch, None if it was given up since a stop was asked for."""
        try:
            return self._commit_of(pending.embedded)
        except WorkerError:
            if not is_lost(pending.embedded):
                raise
        batch = self._triage.embed(pending.read, self._lanes.embedding())
        return self._commit_of(batch) if batch is not None else None

    def _commit_of(self, batch: Ref | Batch) -> CommitReport:
        report: CommitReport = self._storage.call(lambda: self._crew.miner.commit.remote(batch))
        return report

    def _reject(self, shard: str, error: RejectError) -> None:
        self._storage.call(lambda: self._crew.miner.reject_shard.remote(shard, error))
        self._telemetry.reject(error.reason)

    def _read(self, reader: int, shard: str, start: int, mark: Mark) -> tuple[Ref, Ref]:
        header, batch = self._crew.readers[reader].read.remote(shard, start, self._config.stream.batch_size, mark)
        return header, batch

    def _embed(self, batch: Ref) -> Ref:
        self._turn = (self._turn + 1) % len(self._crew.embedders)
        return self._crew.embedders[self._turn].embed.remote(batch)
