"""Miner: the one writer; owns the store, the clusterer and the FAISS index."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actors.plan import BackboneInfo
from actors.resources import claim_process, resident_bytes
from index.curation import Edit, EditReport
from index.ingest import CommitReport, Ingest, IngestConfig, OpenReport, SettleReport
from index.jobs import PublishReport, ReconInput, ReconJob, ReconOutput
from index.parting import Settled
from index.records import ShardRecord
from index.schedule import Policy, Schedule
from index.stream.batch import Batch
from ops.errors import RejectError
from ops.logs import LogOptions


class Miner:
    """Commits batches and reconstructions, each in one transaction."""

    def __init__(
        self, logs: LogOptions, folder: str, backbone: BackboneInfo, config: IngestConfig, policy: Policy
    ) -> None:
        claim_process(logs)
        self._arguments = (Path(folder), backbone, config)
        self._policy = policy
        self._ingest: Ingest | None = None

    def _open(self) -> Ingest:
        # Not in the constructor, so that a StateError reaches the caller as itself.
        if self._ingest is None:
            folder, backbone, config = self._arguments
            self._ingest = Ingest(folder, backbone.name, backbone.fingerprint, backbone.dim, config)
        return self._ingest

    def open(self) -> list[ShardRecord]:
        """Opens the state, rebuilding what is missing; tells how far each shard has been committed.

        Raises:
            StateError: the state directory cannot be used.
        """
        return self._open().shards()

    def settled(self, shard: str, generation: int, start: int) -> Settled:
        """What is committed of a shard from a position on."""
        return self._open().settled(shard, generation, start)

    def opened(self) -> OpenReport:
        """What there is before the first batch."""
        return self._open().opened()

    def commit(self, batch: Batch) -> CommitReport:
        """Commits a batch; one that is committed already changes nothing."""
        return self._open().commit(batch)

    def settle(self) -> SettleReport:
        """Repairs the partition at the end of the stream; what is due from then on is due for the last time."""
        report = self._open().settle()
        self._policy = replace(self._policy, ended=True)
        return report

    def edit(self, edit: Edit) -> EditReport:
        """Does what a person asks for."""
        return self._open().edit(edit)

    def reject_shard(self, shard: str, error: RejectError) -> None:
        """Records a shard that could not be read."""
        self._open().reject_shard(shard, error)

    def due(self) -> Schedule:
        """What there is to reconstruct."""
        return self._open().due(self._policy)

    def recon_input(self, job: ReconJob) -> ReconInput:
        """What a reconstruction is given."""
        return self._open().recon_input(job, self._policy)

    def publish(self, output: ReconOutput) -> PublishReport:
        """Records a reconstruction."""
        return self._open().publish(output)

    def fail(self, job: ReconJob, reason: str) -> PublishReport:
        """Records a reconstruction that broke."""
        return self._open().fail(job, reason, self._policy)

    def close(self) -> None:
        """Saves the index and releases the store."""
        if self._ingest is not None:
            self._ingest.close()
            self._ingest = None

    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident_bytes()
