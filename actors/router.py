"""Router: stands before the miners of a library in parts, and answers as the one miner of a whole library does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.answers import Handle, find, get
from actors.plan import BackboneInfo
from actors.resources import claim_process, resident_bytes
from index.ingest import CommitReport, OpenReport, SettleReport
from index.jobs import PublishReport, ReconInput, ReconJob, ReconOutput
from index.joint import joint_commit, joint_opened, joint_schedule, joint_settle
from index.parting import Settled, joint_records, part_batch
from index.records import ShardRecord
from index.routing import Routing, learn_routing, load_routing
from index.schedule import Schedule
from index.stream.batch import Batch, BatchHeader
from ops.errors import RejectError, StateError
from ops.logs import LogOptions


class Router:
    """Divides batches among miners by coarse centroid; holds nothing that would be missed if it died."""

    def __init__(self, logs: LogOptions, folder: str, backbone: BackboneInfo, miners: Sequence[str]) -> None:
        claim_process(logs)
        self._folder = Path(folder)
        self._backbone = backbone
        self._miners: list[Handle] = [find(name) for name in miners]
        self._routing: Routing | None = None
        self._cursors: dict[str, int] = {}
        self._reports: dict[int, CommitReport] = {}
        self._reported: BatchHeader | None = None

    def open(self) -> list[ShardRecord]:
        """Opens every part; tells how far all of them have committed each shard.

        Raises:
            StateError: a part, or the routing of the parts, cannot be used.
        """
        routed = self.is_routed()  # first: what is of another number of parts must not get more of them
        parts = self._all("open")
        if not routed and any(parts):
            raise StateError(f"{self._folder} has lost the file that tells its parts apart; take it from a backup")
        return joint_records(parts)

    def is_routed(self) -> bool:
        """It is known which part an image belongs to."""
        return self._known() is not None

    def route(self, descriptors: NDArray[np.float32]) -> None:
        """Learns, once and for all, from descriptors ``(N, D)`` which part an image belongs to.

        Raises:
            ConfigError: they are too few.
        """
        if self._known() is None:
            routing = learn_routing(descriptors, len(self._miners), self._backbone.fingerprint)
            routing.save(self._folder)
            self._routing = routing

    def _known(self) -> Routing | None:
        if self._routing is None:  # an actor that was started again runs only its constructor
            self._routing = load_routing(self._folder, self._backbone.fingerprint, len(self._miners))
        return self._routing

    def commit(self, batch: Batch) -> CommitReport:
        """Has every part commit its share of a batch; one that has done so already changes nothing.

        Raises:
            StateError: a part can't write; the others may have. Given again, the batch goes to those that have not.
        """
        routing = self._known()
        if routing is None:
            raise StateError(f"{self._folder} has not been divided into parts yet")
        header = batch.header
        shares = part_batch(batch, routing, self._settled(header))
        if self._reported != header:
            self._reports, self._reported = {}, header
        self._cursors.pop(header.shard, None)
        started = {
            part: self._miners[part].commit.remote(share)
            for part, share in enumerate(shares)
            if part not in self._reports
        }
        problems = [problem for part, ref in started.items() if (problem := self._take(part, ref)) is not None]
        if problems:
            raise problems[0]
        report = joint_commit([self._reports[part] for part in range(len(shares))])
        if not header.last:
            self._cursors[header.shard] = header.end
        self._reports, self._reported = {}, None
        return report

    def _take(self, part: int, ref: Any) -> Exception | None:
        try:
            self._reports[part] = get(ref)
        except Exception as error:  # what it is matters to the caller, who is told once all have answered
            return error
        return None

    def _settled(self, header: BatchHeader) -> list[Settled]:
        """What the parts hold of a batch that some of them may have committed; none if none has."""
        if self._cursors.get(header.shard) == header.start:
            return []
        return self._all("settled", header.shard, header.mark.generation, header.start)

    def settle(self) -> SettleReport:
        """Repairs the partition of each part."""
        return joint_settle(self._all("settle"))

    def reject_shard(self, shard: str, error: RejectError) -> None:
        """Records a shard that could not be read, in the first part."""
        get(self._miners[0].reject_shard.remote(shard, error))

    def due(self) -> Schedule:
        """What there is to reconstruct, in any part."""
        return joint_schedule(self._all("due"))

    def recon_input(self, job: ReconJob) -> ReconInput:
        """What a reconstruction is given."""
        given: ReconInput = get(self._miners[job.part].recon_input.remote(job))
        return given

    def publish(self, output: ReconOutput) -> PublishReport:
        """Records a reconstruction in the part its cluster is in."""
        report: PublishReport = get(self._miners[output.job.part].publish.remote(output))
        return replace(report, part=output.job.part)

    def fail(self, job: ReconJob, reason: str) -> PublishReport:
        """Records a reconstruction that broke."""
        report: PublishReport = get(self._miners[job.part].fail.remote(job, reason))
        return replace(report, part=job.part)

    def opened(self) -> OpenReport:
        """What there is in all parts before the first batch."""
        return joint_opened(self._all("opened"))

    def close(self) -> None:
        """Saves the indexes and releases the stores."""
        self._all("close")

    def memory(self) -> int:
        """Resident memory of itself and of the miners in bytes."""
        total: int = resident_bytes() + sum(self._all("memory"))
        return total

    def _all(self, method: str, *arguments: object) -> list[Any]:
        return list(get([getattr(miner, method).remote(*arguments) for miner in self._miners]))
