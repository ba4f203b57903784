"""The reconstruction side of the control loop: idle reconstructors get the cluster that is most due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from cachetools import LRUCache

from actors.answers import Handle, Ref, get
from actors.crew import Crew
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from index.jobs import JobKind, PublishReport, ReconJob, ReconOutput
from index.schedule import Schedule
from ops.errors import ShapelodeError, WorkerError
from ops.logs import get_logger

_log = get_logger("recon")
_DOING: dict[JobKind, str] = {
    "fit": "reconstructing from", "search": "searching anew in", "register": "registering the new ones of",
}  # fmt: skip
_APART = 20
"""Times as long as a look at all clusters takes, until the next that only images that came make worth while."""
_HOMES = 4096
"""Clusters of which it is remembered who had them last; more than whose photos' features are."""


@dataclass
class _Running:
    job: ReconJob
    actor: Handle
    ref: Ref
    began: float


class ReconStage:
    """Keeps the reconstructors busy with due clusters and has their results recorded."""

    def __init__(
        self, crew: Crew, storage: StorageWait, telemetry: Telemetry, on_report: Callable[[PublishReport], None]
    ) -> None:
        self._crew = crew
        self._storage = storage
        self._telemetry = telemetry
        self._on_report = on_report
        self._idle = list(crew.reconstructors)
        self._homes: LRUCache[str, Handle] = LRUCache(_HOMES)
        self._running: dict[Ref, _Running] = {}
        self._queue: list[ReconJob] = []
        self._unlisted = 0
        self._retry_at: float | None = None
        self._outdated = False
        self._next_look = 0.0

    def outdated(self) -> None:
        """Tells that images have come: `feed` asks again, but not so often that it holds up the writer.

        The writer looks through all clusters, which for a hundred thousand of them takes longer than to store a batch.
        """
        self._outdated = bool(self._crew.reconstructors)

    def refresh(self) -> None:
        """Asks the writer which clusters are due."""
        if not self._crew.reconstructors:
            return
        self._outdated, began = False, time.monotonic()
        busy = {running.job.name for running in self._running.values()}
        found: Schedule = get(self._crew.miner.due.remote())
        self._queue = [job for job in found.jobs if job.name not in busy]
        self._unlisted = found.due - len(found.jobs)
        now = time.monotonic()
        self._next_look = now + _APART * (now - began)
        self._retry_at = None if found.retry_in_s is None else now + found.retry_in_s
        self._telemetry.quarantined(found.quarantined)
        if found.figures is not None:
            self._telemetry.library(found.figures)
        if found.store is not None:
            self._telemetry.store(found.store)
        self._telemetry.recon_queue(len(self._queue) + self._unlisted, len(self._running))

    def feed(self) -> None:
        """Starts jobs on idle reconstructors."""
        now = time.monotonic()
        if (self._outdated and now >= self._next_look) or (self._retry_at is not None and now >= self._retry_at):
            self.refresh()
        while self._idle and self._queue:
            job = self._queue.pop(0)
            actor = self._taken(job)
            ref = actor.run.remote(self._crew.miner.recon_input.remote(job))
            self._running[ref] = _Running(job, actor, ref, time.monotonic())
            _log.info("cluster %s: %s %d images", job.name, _DOING[job.kind], job.size, extra=_fields(job))
        self._telemetry.recon_queue(len(self._queue) + self._unlisted, len(self._running))

    def _taken(self, job: ReconJob) -> Handle:
        """An idle reconstructor: the one that had the cluster last, if it is one, for it has its photos' features."""
        home = self._homes.get(job.name)
        actor = self._idle.pop(self._idle.index(home) if home in self._idle else -1)
        self._homes[job.name] = actor
        return actor

    def refs(self) -> list[Ref]:
        """References of the results being waited for."""
        return list(self._running)

    def on_done(self, ref: Ref) -> None:
        """A reconstruction has ended, well or not."""
        running = self._running.pop(ref)
        report = self._recorded(running)
        self._idle.append(running.actor)
        self._telemetry.reconstruction(report)
        self._on_report(report)
        self.refresh()

    def _recorded(self, running: _Running) -> PublishReport:
        try:
            output: ReconOutput = get(running.ref)
        except ShapelodeError as error:
            if isinstance(error, WorkerError) and error.died:
                running.actor = self._crew.replace_reconstructor(running.actor)
            return replace(self._failed(running.job, str(error)), seconds=time.monotonic() - running.began)
        # What fails from here on is the writer's trouble, not the cluster's, which stays due.
        began = time.monotonic()
        report: PublishReport = self._storage.call(lambda: self._crew.miner.publish.remote(output))
        self._telemetry.stage("publish", time.monotonic() - began)
        return report

    def _failed(self, job: ReconJob, reason: str) -> PublishReport:
        told = {**_fields(job), "reason": reason}
        _log.warning("cluster %s: reconstruction failed: %s", job.name, reason, extra=told)
        report: PublishReport = self._storage.call(lambda: self._crew.miner.fail.remote(job, reason))
        return report

    def stop(self) -> None:
        """Drops running jobs; their clusters stay due and are taken up by the next run."""
        self._crew.stop_reconstructors()
        self._running.clear()
        self._queue.clear()
        self._idle.clear()
        self._retry_at = None
        self._outdated = False

    @property
    def idle(self) -> bool:
        """Nothing is running, due, to be tried again after a failure, or unknown since images came."""
        return not self._running and not self._queue and self._retry_at is None and not self._outdated


def _fields(job: ReconJob) -> dict[str, object]:
    """What a record about a job is about."""
    return {"cluster": job.cluster, "job": job.label}
