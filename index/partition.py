"""The clusterer's state as the store keeps it: what a batch changed, and nothing else, is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.changes import Change, record_changes
from index.clustering import OUTLIER, LineageEvent, OnlineClusterer, make_clusterer, takes_encoder
from index.codec import decode_vector
from index.derived import ended_by
from index.faissfile import sweep
from index.heritage import hand_down
from index.lists import add_source
from index.records import ClusterRecord, Identity, LineageRecord, SampleRecord
from index.store import Transaction
from index.sums import StoredSums, put_sum
from index.tables import (
    CLUSTER_LINEAGE,
    CLUSTER_MICROS,
    CLUSTERER,
    CLUSTERS,
    IDENTITY,
    LINEAGE,
    MICRO_SAMPLES,
    MICROS,
    SAMPLES,
    VECTORS,
)
from index.totals import add_counts, write_cluster, write_clusters
from ops.clock import wall_time
from ops.faults import reach
from ops.logs import get_logger

FILE = "micros.faiss"
_REPLAY_CHUNK = 1024
_log = get_logger("index")
Sources = dict[int, Counter[str]]
"""Micro-cluster -> digest of a source -> images of it."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a batch did to the partition.

    Attributes:
        micros: micro-cluster of each vector of the batch.
        strengths: membership strength of each vector on arrival, in [0, 1].
        events: clusters that appeared, merged, split or dissolved.
    """

    micros: list[int]
    strengths: list[float]
    events: list[LineageEvent]


class Partition:
    """A clusterer whose every change is written with the batch that caused it."""

    def __init__(self, name: str, txn: Transaction, folder: Path) -> None:
        """Restores the clusterer to the state of the store.

        Args:
            name: of the clusterer.
            txn: a transaction of the store.
            folder: where the file is kept that makes this faster.
        """
        self._file = folder / FILE
        sweep(self._file)
        identity = txn.only(IDENTITY)
        self._clusterer = _make(name, identity)
        self._sums = StoredSums(identity.dim if identity else 0)
        with self._sums.within(txn):
            _restore(self._clusterer, txn, self._sums, self._file)

    def learn(self, txn: Transaction, ids: list[int], vectors: NDArray[np.float32], source: str, at: int) -> Learned:
        """Clusters a batch and writes what changed, by repairs of the partition on the way as well.

        Args:
            txn: the batch's write transaction.
            ids: image ids, in the order of the vectors.
            vectors: ``(N, D)`` float32 descriptors.
            source: digest of their shard's URL.
            at: images committed with this batch.
        """
        reach("cluster.before")
        with self._sums.within(txn):
            assigned = self._clusterer.learn_many(vectors)
        micros = [int(micro) for micro in assigned.micros]
        for sample, micro in zip(ids, micros, strict=True):
            txn.put(MICRO_SAMPLES, (micro, sample), source.encode())
        self._write(txn, at, {micro: Counter({source: count}) for micro, count in Counter(micros).items()})
        reach("cluster.after")
        return Learned(micros, [float(strength) for strength in assigned.strengths], assigned.events)

    def settle(self, txn: Transaction, at: int) -> list[LineageEvent]:
        """Repairs the partition if anything has come since the last repair, and writes what changed.

        A clusterer that is restored by learning all vectors again is left alone: its state may depend on nothing else.

        Args:
            txn: a write transaction.
            at: images committed.
        """
        if self._clusterer.restore_by_replay:
            return []
        with self._sums.within(txn):
            events = self._clusterer.settle()
        self._write(txn, at, {})
        return events

    def forget(self, txn: Transaction, images: Mapping[int, Sequence[int]], at: int) -> list[LineageEvent]:
        """Takes images out of their micro-clusters and clusters.

        Args:
            txn: a write transaction in which their vectors are gone already.
            images: ids by micro-cluster.
            at: images committed.

        Raises:
            StateError: the clusterer can't forget.
        """
        gone: Sources = {}
        remaining: dict[int, NDArray[np.float32]] = {}
        for micro, samples in images.items():
            sources = [(txn.get(MICRO_SAMPLES, (micro, sample)) or b"").decode() for sample in samples]
            gone[micro] = Counter({source: -count for source, count in Counter(sources).items()})
            for sample in samples:
                txn.delete(MICRO_SAMPLES, (micro, sample))
            kept = [txn.get(VECTORS, key[1]) or b"" for key, _ in txn.scan(MICRO_SAMPLES, prefix=micro)]
            vectors = [decode_vector(raw) for raw in kept]
            remaining[micro] = np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)
        with self._sums.within(txn):
            events = self._clusterer.forget(remaining)
        self._write(txn, at, gone)
        return events

    def size_bytes(self) -> int:
        """Memory of what the clusterer keeps of the images."""
        return self._clusterer.size_bytes()

    def save(self, *, due: bool = False) -> None:
        """Writes the file that makes a restart faster, outside of a transaction: being a cache, it holds up nothing.

        Args:
            due: only if much of it is new.
        """
        try:
            self._clusterer.save(self._file, due=due)
        except OSError as error:
            _log.warning("cannot write %s: %s; a restart takes longer", self._file, error.strerror)

    @property
    def takes_back(self) -> bool:
        """Whether images can be handed back to the clusterer."""
        return not self._clusterer.restore_by_replay

    def hand_back(self, txn: Transaction, images: Sequence[int], at: int) -> dict[int, int]:
        """Takes images that do not belong there out of their clusters, which keep others.

        Args:
            txn: a write transaction.
            images: stored images, each in a cluster.
            at: images committed.

        Returns:
            The cluster that each is in now, `OUTLIER` for none.

        Raises:
            StateError: the clusterer can't forget.
        """
        records = {image: record for image in sorted(images) if (record := txn.get(SAMPLES, image)) is not None}
        leaving = set(records)
        remaining = {
            micro: _vectors(txn, [key[1] for key, _ in txn.scan(MICRO_SAMPLES, prefix=micro) if key[1] not in leaving])
            for micro in sorted({record.micro for record in records.values()})
        }
        vectors = _vectors(txn, list(records))
        strangers = [(record.micro, vector) for record, vector in zip(records.values(), vectors, strict=True)]
        with self._sums.within(txn):
            moved = dict(zip(records, self._clusterer.hand_back(remaining, strangers), strict=True))
        fresh: Sources = {}
        for image, micro in moved.items():
            self._move_image(txn, image, records[image], micro, fresh)
        self._write(txn, at, fresh)
        labels = self._clusterer.labels_of(np.array(list(moved.values()), np.int64))
        return dict(zip(moved, labels.tolist(), strict=True))

    @staticmethod
    def _move_image(txn: Transaction, image: int, record: SampleRecord, micro: int, fresh: Sources) -> None:
        if micro == record.micro:
            return
        source = (txn.get(MICRO_SAMPLES, (record.micro, image)) or b"").decode()
        txn.delete(MICRO_SAMPLES, (record.micro, image))
        txn.put(MICRO_SAMPLES, (micro, image), source.encode())
        txn.put(SAMPLES, image, msgspec.structs.replace(record, micro=micro))
        for each, sign in ((record.micro, -1), (micro, 1)):
            fresh.setdefault(each, Counter())[source] += sign

    def _write(self, txn: Transaction, at: int, fresh: Sources) -> None:
        """Writes what changed; ``fresh`` is what came into micro-clusters since the last time, or negative, left."""
        deltas: Counter[int] = Counter()
        sources: Counter[tuple[int, str]] = Counter()
        changes = self._clusterer.changed()
        for record in changes.records:
            known = txn.get(MICROS, record.id)
            before, count = (known.cluster, known.count) if known else (OUTLIER, 0)
            deltas[before] -= count
            deltas[record.cluster] += record.count
            came = fresh.get(record.id, Counter())
            if record.cluster != before:
                _move(txn, record.id, before, record.cluster)
                held = _sources_of(txn, record.id) if known else came
                _count_sources(sources, record.cluster, held, 1)
                _count_sources(sources, before, held, -1)
                _count_sources(sources, before, came, 1)  # these were never there
            else:
                _count_sources(sources, before, came, 1)
            txn.put(MICROS, record.id, record)
            if (total := changes.sums.get(record.id)) is not None:
                put_sum(txn, record, total)
        write_clusters(
            txn, [_resized(txn, cluster, delta, at) for cluster, delta in deltas.items() if cluster != OUTLIER]
        )
        for (cluster, source), delta in sources.items():
            if cluster != OUTLIER and delta:
                add_source(txn, cluster, source, delta)
        self._write_scalars(txn)

    def _write_scalars(self, txn: Transaction) -> None:
        # Most of it changes with a repair alone and is large beside a batch, so only what changed is written.
        for name, value in self._clusterer.changed_scalars().items():
            if value is None:
                txn.delete(CLUSTERER, name)
            else:
                txn.put(CLUSTERER, name, msgspec.msgpack.encode(value))


def _vectors(txn: Transaction, images: Sequence[int]) -> NDArray[np.float32]:
    rows = [decode_vector(txn.get(VECTORS, image) or b"") for image in images]
    return np.stack(rows) if rows else np.zeros((0, 1), np.float32)


def write_lineage(txn: Transaction, events: Sequence[LineageEvent], at: int) -> Counter[str]:
    """Records what happened to clusters, in each of them that it did and in the feed.

    Returns:
        How often each kind did.
    """
    first = txn.counters().next_lineage
    for number, event in enumerate(events, start=first):
        record = LineageRecord(event.kind, event.cluster, event.others, at, wall_time())
        txn.put(LINEAGE, number, record)
        for cluster in (event.cluster, *event.others):
            txn.put(CLUSTER_LINEAGE, (cluster, number), b"")
            _fence(txn, cluster, number + 1)
        for cluster in ended_by(record):
            _end(txn, cluster, at)
        hand_down(txn, event)
        if event.kind == "merged":
            _inherit(txn, event)
    add_counts(txn, next_lineage=len(events))
    record_changes(txn, (Change(event.kind, event.cluster, event.others) for event in events))
    return Counter(event.kind for event in events)


def _fence(txn: Transaction, cluster: int, epoch: int) -> None:
    # One that appeared and went within a batch never had a record.
    if (record := txn.get(CLUSTERS, cluster)) is not None:
        txn.put(CLUSTERS, cluster, msgspec.structs.replace(record, epoch=epoch))


def _end(txn: Transaction, cluster: int, at: int) -> None:
    if (record := txn.get(CLUSTERS, cluster)) is not None:
        txn.put(CLUSTERS, cluster, msgspec.structs.replace(record, ended=at))


def _inherit(txn: Transaction, event: LineageEvent) -> None:
    """What people said of clusters that were merged holds for the one that took them in."""
    heir = txn.get(CLUSTERS, event.cluster)
    for other in event.others:
        record = txn.get(CLUSTERS, other)
        if heir is None or record is None:
            continue
        tags = tuple(sorted({*heir.tags, *record.tags}))
        heir = msgspec.structs.replace(
            heir, name=heir.name or record.name, tags=tags, pinned=heir.pinned or record.pinned
        )
    if heir is not None:
        write_cluster(txn, event.cluster, heir)


def _make(name: str, identity: Identity | None) -> OnlineClusterer:
    if identity is None or not takes_encoder(name):
        return make_clusterer(name)
    return make_clusterer(name, encoder=(identity.backbone, identity.fingerprint))


def _restore(clusterer: OnlineClusterer, txn: Transaction, sums: StoredSums, file: Path) -> None:
    if clusterer.restore_by_replay:
        _replay(clusterer, txn)
        clusterer.changed()  # all of it is stored already
        return
    scalars = {name: msgspec.msgpack.decode(raw) for name, raw in txn.named(CLUSTERER)}
    clusterer.restore(txn.values(MICROS), scalars, sums, file)


def _replay(clusterer: OnlineClusterer, txn: Transaction) -> None:
    chunk: list[NDArray[np.float32]] = []
    for _, raw in txn.scan(VECTORS):
        chunk.append(decode_vector(raw))
        if len(chunk) == _REPLAY_CHUNK:
            clusterer.learn_many(np.stack(chunk))
            chunk = []
    if chunk:
        clusterer.learn_many(np.stack(chunk))


def _sources_of(txn: Transaction, micro: int) -> Counter[str]:
    return Counter(raw.decode() for _, raw in txn.scan(MICRO_SAMPLES, prefix=micro))


def _count_sources(totals: Counter[tuple[int, str]], cluster: int, held: Counter[str], sign: int) -> None:
    for source, count in held.items():
        totals[cluster, source] += sign * count


def _move(txn: Transaction, micro: int, before: int, after: int) -> None:
    if before != OUTLIER:
        txn.delete(CLUSTER_MICROS, (before, micro))
    if after != OUTLIER:
        txn.put(CLUSTER_MICROS, (after, micro), b"")


def _resized(txn: Transaction, cluster: int, delta: int, at: int) -> tuple[int, ClusterRecord | None, ClusterRecord]:
    known = txn.get(CLUSTERS, cluster)
    record = known or ClusterRecord(born=at, turn=txn.counters().reconstructions)
    size = record.size + delta
    return cluster, known, msgspec.structs.replace(record, size=size, state="open" if size else "retired")
