"""The one writer: a batch, its clusters and its place in the shard become durable together or not at all."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from index import publish as publishing
from index.admission import Draft, admit
from index.cache import VectorCache
from index.changes import Change, record_changes
from index.curation import Edit, EditReport, apply
from index.drift import Drift, total_of
from index.intake import begun, mended, put_refused, put_rejects, put_sample, put_shard
from index.jobs import PublishReport, ReconInput, ReconJob, ReconOutput
from index.kinds import Sizes
from index.library import Library
from index.lock import FileLock
from index.migrations import migrate
from index.parting import Settled, settled
from index.partition import Learned, Partition, write_lineage
from index.records import Identity, ShardRecord
from index.schedule import Policy, Schedule, recon_input, schedule
from index.sizes import StoreSizes, store_sizes
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.stream.batch import Batch, BatchHeader, content_name
from index.summaries import LibraryStatus
from index.tables import SHARDS, digest
from index.totals import Figures, add_counts, figures
from ops.clock import wall_time
from ops.errors import FingerprintError, RejectError, StateError
from ops.faults import reach

T = TypeVar("T")
_WRITER_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """How the writer works.

    Attributes:
        clusterer: name of the clusterer.
        map_size_gib: the most the store may grow to.
        index_every: batches between two saves of the FAISS index, at the least.
        sizes: from how many vectors on which type of index is used.
        near_duplicates: refuse near-copies of stored images, as exact ones are.
    """

    clusterer: str = "linkage"
    map_size_gib: float = 256.0
    index_every: int = 64
    sizes: Sizes = field(default_factory=Sizes)
    near_duplicates: bool = True


@dataclass(frozen=True, slots=True)
class CommitReport:
    """What a commit did, and the library's totals after it.

    ``refused`` has keys and reasons of what became no image, ``index_saved`` is False if FAISS could not be saved.
    """

    shard: str
    cursor: int
    stored: int
    refused: list[tuple[str, RejectError]]
    lineage: dict[str, int]
    total_images: int
    total_rejected: int
    clusters: int
    outliers: int
    shapes: int
    figures: Figures
    index_vectors: int
    index_bytes: int
    clusterer_bytes: int
    index_recall: float
    index_drift: float
    index_saved: bool
    store: StoreSizes
    embed_seconds: float
    seconds: float

    @property
    def rejects(self) -> dict[str, int]:
        """How often each reason was given."""
        return dict(Counter(error.reason for _, error in self.refused))


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What the repair at the end of a stream did: how often each kind of change, and the totals after it."""

    lineage: dict[str, int]
    total_images: int
    total_rejected: int
    clusters: int
    outliers: int
    shapes: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What a writer that has opened its state holds of earlier runs."""

    status: LibraryStatus
    figures: Figures
    store: StoreSizes
    index_vectors: int
    index_bytes: int
    clusterer_bytes: int
    index_recall: float


class Ingest:
    """Owns the store, the clusterer and the FAISS index of a state directory."""

    def __init__(self, folder: Path, backbone: str, fingerprint: str, dim: int, config: IngestConfig) -> None:
        """Opens or creates the state and rebuilds in memory what the store tells.

        Raises:
            StateError: the directory can't be used.
            StateBusyError: another process writes to it.
            FingerprintError: it holds vectors of another backbone.
        """
        self._config = config
        # The daemon has a lock of its own; this one is the writer's, who may outlive a killed daemon for a while.
        self._lock = FileLock(folder / "writer.lock", wait_s=_WRITER_WAIT_S)
        self._since_save = 0
        self._fingerprint, self._dim = fingerprint, dim
        store: Store | None = None
        try:
            self._store = store = Store(folder, readonly=False, map_size_gib=config.map_size_gib)
            migrate(self._store)
            wanted = Identity(SCHEMA, backbone, fingerprint, dim, config.clusterer, wall_time())
            claim_identity(self._store, wanted)
            reach("open.before")
            self._partition: Partition | None = None
            with self._store.read() as txn:
                self._restore(txn)
                self._drift = Drift(total_of(txn, dim))
            reach("open.restored")
            self._cache = VectorCache(folder, fingerprint, dim, self._store, config.sizes)
            reach("open.after")
        except BaseException:
            if store is not None:
                store.close()
            self._lock.release()
            raise

    def _restore(self, txn: Transaction) -> Partition:
        if self._partition is None:
            self._partition = Partition(self._config.clusterer, txn, self._store.folder)
        return self._partition

    def _forget(self) -> None:
        self._partition = None  # the clusterer in memory may be ahead of what was undone

    def shards(self) -> list[ShardRecord]:
        """How far each shard has been committed."""
        with self._store.read() as txn:
            return list(txn.values(SHARDS))

    def commit(self, batch: Batch) -> CommitReport:
        """Commits a batch in one transaction; one that is committed already changes nothing.

        Raises:
            StateError: the batch does not follow on what is committed of its shard.
            FingerprintError: it was embedded by another backbone than the library's.
        """
        began = time.perf_counter()
        if any(sample.views for sample in batch.samples) and batch.fingerprint != self._fingerprint:
            raise FingerprintError(
                f"a batch of {batch.header.shard} was embedded by backbone {batch.fingerprint or 'unknown'}, this "
                f"library holds vectors of {self._fingerprint}; all embedders need the same weights and packages"
            )
        draft, lineage = self._transact("commit", lambda txn: self._write(txn, batch), undone=self._forget)
        self._cache.add(draft.ids, draft.vectors, draft.stored)
        self._drift.add(draft.vectors)
        return self._report(batch, draft, lineage, self._save_sometimes(), began)

    def _write(self, txn: Transaction, batch: Batch) -> tuple[Draft, Counter[str]]:
        shard = self._shard(txn, batch.header)
        fresh = [sample for sample in batch.samples if sample.index >= shard.cursor]
        goes_on = batch.header.last or batch.header.end > shard.cursor
        if goes_on:
            shard = mended(txn, shard)
        counters = txn.counters()
        near = self._config.near_duplicates
        draft = admit(txn, shard, fresh, counters.next_sample, self._dim, near=near)
        stored = len(draft.ids)
        at = counters.next_sample + stored
        learned = Learned([], [], [])
        if draft.ids:
            source = digest(shard.url)
            learned = self._restore(txn).learn(txn, draft.ids, np.stack(draft.vectors), source, at)
        for sample_id, one, micro, strength in zip(
            draft.ids, draft.objects, learned.micros, learned.strengths, strict=True
        ):
            put_sample(txn, sample_id, one, shard, micro, strength)
        draft.stored = counters.stored + stored
        add_counts(txn, next_sample=stored, stored=stored)
        lineage = write_lineage(txn, learned.events, at)
        put_rejects(txn, shard.url, draft.rejects)
        if stored:
            record_changes(txn, [Change("images", count=stored, detail=shard.url)])
        if goes_on:
            put_shard(txn, shard, batch, draft)
        return draft, lineage

    def _shard(self, txn: Transaction, header: BatchHeader) -> ShardRecord:
        """The record a batch goes on with; the first batch of new content begins one and ends the one before."""
        generation = header.mark.generation
        name = content_name(header.shard, generation)
        before = txn.get(SHARDS, digest(content_name(header.shard, generation - 1))) if generation else None
        shard = txn.get(SHARDS, digest(name)) or begun(name, generation, before)
        if header.start > shard.cursor:
            raise StateError(f"{name}: batch starts at {header.start}, committed up to {shard.cursor}")
        if before is not None and not before.done:
            txn.put(SHARDS, digest(before.url), replace(before, done=True))
            add_counts(txn, shards_done=1)
        return shard

    def settled(self, shard: str, generation: int, start: int) -> Settled:
        """What is committed of a shard from a position on; a part of a library is asked, see `index.parting`."""
        with self._store.read() as txn:
            return settled(txn, shard, generation, start)

    def status(self) -> LibraryStatus:
        """What the library holds."""
        return Library(self._store).status()

    def opened(self) -> OpenReport:
        """What there is before the first batch, the index as it was loaded or built."""
        with self._store.read() as txn:
            found, clusterer_bytes = figures(txn), self._restore(txn).size_bytes()
        return OpenReport(
            self.status(), found, store_sizes(self._store), len(self._cache), self._cache.size_bytes(),
            clusterer_bytes, self._cache.recall,
        )  # fmt: skip

    def settle(self) -> SettleReport:
        """Brings the partition to offline quality at the end of a stream."""
        return self._transact("settle", self._settled, undone=self._forget)

    def _settled(self, txn: Transaction) -> SettleReport:
        at = txn.counters().next_sample
        lineage = write_lineage(txn, self._restore(txn).settle(txn, at), at)
        counters = txn.counters()
        outliers = counters.stored - counters.clustered
        return SettleReport(
            dict(lineage), counters.stored, counters.rejected, counters.clusters, outliers, counters.shapes,
            figures(txn),
        )  # fmt: skip

    def edit(self, edit: Edit) -> EditReport:
        """Does what a person asks for; once it is done, again changes nothing.

        Raises:
            NotFoundError: there is no such cluster, image or source.
            ConfigError: a name or tag is too long.
            StateError: the library's clusterer can't forget images.
        """
        report, deleted = self._transact("edit", lambda txn: apply(txn, edit, self._restore), undone=self._forget)
        self._cache.remove(deleted)
        if deleted:
            with self._store.read() as txn:
                self._drift.correct(total_of(txn, self._dim))
        return report

    def reject_shard(self, shard: str, error: RejectError) -> None:
        """Records, once, a shard that was refused or could not be read; the next run tries it again."""
        self._transact("reject", lambda txn: put_refused(txn, shard, error))

    def due(self, policy: Policy) -> Schedule:
        """What there is to reconstruct."""
        with self._store.read() as txn:
            found = schedule(txn, policy, wall_time())
        return dataclasses.replace(found, store=store_sizes(self._store))

    def recon_input(self, job: ReconJob, policy: Policy) -> ReconInput:
        """What a reconstruction is given."""
        with self._store.read() as txn:
            given = recon_input(txn, job, policy)
        reach("recon.input")
        return given

    def publish(self, output: ReconOutput) -> PublishReport:
        """Records what a reconstruction found, and hands back to the clustering what does not belong to it."""
        return self._transact(
            "publish", lambda txn: publishing.publish(txn, output, self._restore), undone=self._forget
        )

    def fail(self, job: ReconJob, reason: str, policy: Policy) -> PublishReport:
        """Records a reconstruction that broke."""
        return self._transact("fail", lambda txn: publishing.record_failure(txn, job, reason, policy, wall_time()))

    def _transact(self, step: str, work: Callable[[Transaction], T], undone: Callable[[], None] | None = None) -> T:
        def traced(txn: Transaction) -> T:
            reach(f"{step}.before")
            result = work(txn)
            reach(f"{step}.during")
            return result

        result = self._store.transact(traced, undone=undone)
        reach(f"{step}.after")
        return result

    def close(self) -> None:
        """Saves the index and releases the store."""
        self._cache.save()
        if self._partition is not None:
            self._partition.save()
        self._store.close()
        self._lock.release()

    def _save_sometimes(self) -> bool:
        self._since_save += 1
        if self._since_save < self._config.index_every:
            return True
        self._since_save = 0
        self._store.forget_dead_readers()
        if self._partition is not None:
            self._partition.save(due=True)
        return self._cache.save_if_due()

    def _report(self, batch: Batch, draft: Draft, lineage: Counter[str], saved: bool, began: float) -> CommitReport:
        with self._store.read() as txn:
            counters, found = txn.counters(), figures(txn)
            clusterer_bytes = self._restore(txn).size_bytes()
            shard = txn.get(SHARDS, digest(content_name(batch.header.shard, batch.header.mark.generation)))
        return CommitReport(
            shard=batch.header.shard,
            cursor=shard.cursor if shard else 0,
            stored=len(draft.ids),
            refused=[(refused.key, refused.error) for refused in draft.rejects],
            lineage=dict(lineage),
            total_images=counters.stored,
            total_rejected=counters.rejected,
            clusters=counters.clusters,
            outliers=counters.stored - counters.clustered,
            shapes=counters.shapes,
            figures=found,
            index_vectors=len(self._cache),
            index_bytes=self._cache.size_bytes(),
            clusterer_bytes=clusterer_bytes,
            index_recall=self._cache.recall,
            index_drift=self._drift.value(),
            index_saved=saved,
            store=store_sizes(self._store),
            embed_seconds=batch.embed_seconds,
            seconds=time.perf_counter() - began,
        )
