"""The reconstruction side of the control loop: idle reconstructors get the cluster that is most due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ray.exceptions import RayError

from actors.crew import Crew, Handle, get
from daemon.lanes import Ref
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from index.jobs import PublishReport, ReconJob
from ops.errors import ShapelodeError, StorageError
from ops.logs import get_logger

_log = get_logger("recon")


@dataclass
class _Running:
    job: ReconJob
    actor: Handle
    ref: Ref


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
        self._running: dict[Ref, _Running] = {}
        self._queue: list[ReconJob] = []

    def refresh(self) -> None:
        """Asks the writer which clusters are due."""
        if not self._crew.reconstructors:
            return
        busy = {running.job.cluster for running in self._running.values()}
        self._queue = [job for job in get(self._crew.miner.due.remote()) if job.cluster not in busy]
        self._telemetry.recon_queue(len(self._queue), len(self._running))

    def feed(self) -> None:
        """Starts jobs on idle reconstructors."""
        while self._idle and self._queue:
            job, actor = self._queue.pop(0), self._idle.pop()
            ref = actor.run.remote(self._crew.miner.recon_input.remote(job))
            self._running[ref] = _Running(job, actor, ref)
            _log.info("cluster %d: reconstructing from %d images", job.cluster, job.size)
        self._telemetry.recon_queue(len(self._queue), len(self._running))

    def refs(self) -> list[Ref]:
        """References of the results being waited for."""
        return list(self._running)

    def on_done(self, ref: Ref) -> None:
        """A reconstruction has ended, well or not."""
        running = self._running.pop(ref)
        self._idle.append(running.actor)
        report = self._recorded(running)
        self._telemetry.reconstruction(report)
        self._on_report(report)
        self.refresh()

    def _recorded(self, running: _Running) -> PublishReport:
        report: PublishReport
        try:
            report = self._storage.call(lambda: self._crew.miner.publish.remote(get(running.ref)))
        except StorageError:
            raise  # the cluster stays due: the next run takes it up
        except (RayError, ShapelodeError) as error:
            reason = str(error).strip().splitlines()[-1][:300]
            _log.warning("cluster %d: reconstruction failed: %s", running.job.cluster, reason)
            report = self._storage.call(lambda: self._crew.miner.fail.remote(running.job, reason))
        return report

    def stop(self) -> None:
        """Drops running jobs; their clusters stay due and are taken up by the next run."""
        self._crew.stop_reconstructors()
        self._running.clear()
        self._queue.clear()
        self._idle.clear()

    @property
    def idle(self) -> bool:
        """Nothing is running or due."""
        return not self._running and not self._queue
