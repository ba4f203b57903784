"""The clusterer's state as the store keeps it: what a batch changed, and nothing else, is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.clustering import OUTLIER, LineageEvent, OnlineClusterer, make_clusterer
from index.codec import decode_vector
from index.records import ClusterRecord, LineageRecord
from index.store import Transaction
from index.tables import (
    CLUSTER_MICROS,
    CLUSTERER,
    CLUSTERS,
    LINEAGE,
    MICRO_SAMPLES,
    MICROS,
    VECTORS,
)
from index.totals import write_cluster
from ops.clock import wall_time
from ops.faults import reach

_REPLAY_CHUNK = 1024


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

    def __init__(self, name: str, txn: Transaction) -> None:
        """Restores the clusterer to the state of the store."""
        self._clusterer = make_clusterer(name)
        self._scalars = dict(txn.named(CLUSTERER))
        _restore(self._clusterer, txn, self._scalars)
        self._places = {record.id: (record.cluster, record.count) for record in txn.values(MICROS)}

    def learn(self, txn: Transaction, ids: list[int], vectors: NDArray[np.float32], at: int) -> Learned:
        """Clusters a batch and writes what changed, by repairs of the partition on the way as well.

        Args:
            txn: the batch's write transaction.
            ids: image ids, in the order of the vectors.
            vectors: ``(N, D)`` float32 descriptors.
            at: images in the library with this batch.
        """
        reach("cluster.before")
        assigned = self._clusterer.learn_many(vectors)
        micros = [int(micro) for micro in assigned.micros]
        for sample, micro in zip(ids, micros, strict=True):
            txn.put(MICRO_SAMPLES, (micro, sample), b"")
        self._write(txn, at)
        reach("cluster.after")
        return Learned(micros, [float(strength) for strength in assigned.strengths], assigned.events)

    def settle(self, txn: Transaction, at: int) -> list[LineageEvent]:
        """Repairs the partition if anything has come since the last repair, and writes what changed.

        A clusterer that is restored by learning all vectors again is left alone: its state may depend on nothing else.

        Args:
            txn: a write transaction.
            at: images in the library.
        """
        if self._clusterer.restore_by_replay:
            return []
        events = self._clusterer.settle()
        self._write(txn, at)
        return events

    def _write(self, txn: Transaction, at: int) -> None:
        deltas: Counter[int] = Counter()
        for record in self._clusterer.changed():
            before, count = self._places.get(record.id, (OUTLIER, 0))
            deltas[before] -= count
            deltas[record.cluster] += record.count
            if record.cluster != before:
                _move(txn, record.id, before, record.cluster)
            txn.put(MICROS, record.id, record)
            self._places[record.id] = (record.cluster, record.count)
        for cluster, delta in deltas.items():
            if cluster != OUTLIER:
                _resize(txn, cluster, delta, at)
        self._write_scalars(txn)

    def _write_scalars(self, txn: Transaction) -> None:
        # Most of it changes with a repair alone and is large beside a batch, so only what changed is written.
        for name, value in self._clusterer.scalars().items():
            raw = msgspec.msgpack.encode(value)
            if self._scalars.get(name) != raw:
                txn.put(CLUSTERER, name, raw)
                self._scalars[name] = raw


def write_lineage(txn: Transaction, events: Iterable[LineageEvent], at: int) -> Counter[str]:
    """Records what happened to clusters, and in each of them that it did; returns how often each kind did."""
    kinds: Counter[str] = Counter()
    first = txn.counters().next_lineage
    for number, event in enumerate(events, start=first):
        txn.put(LINEAGE, number, LineageRecord(event.kind, event.cluster, event.others, at, wall_time()))
        kinds[event.kind] += 1
        for cluster in (event.cluster, *event.others):
            # One that appeared and went within a batch never had a record.
            if (record := txn.get(CLUSTERS, cluster)) is not None:
                txn.put(CLUSTERS, cluster, msgspec.structs.replace(record, epoch=number + 1))
    return kinds


def _restore(clusterer: OnlineClusterer, txn: Transaction, scalars: Mapping[str, bytes]) -> None:
    if clusterer.restore_by_replay:
        _replay(clusterer, txn)
        clusterer.changed()  # all of it is stored already
    elif scalars:
        decoded = {name: msgspec.msgpack.decode(raw) for name, raw in scalars.items()}
        clusterer.restore(list(txn.values(MICROS)), decoded)


def _replay(clusterer: OnlineClusterer, txn: Transaction) -> None:
    chunk: list[NDArray[np.float32]] = []
    for _, raw in txn.scan(VECTORS):
        chunk.append(decode_vector(raw))
        if len(chunk) == _REPLAY_CHUNK:
            clusterer.learn_many(np.stack(chunk))
            chunk = []
    if chunk:
        clusterer.learn_many(np.stack(chunk))


def _move(txn: Transaction, micro: int, before: int, after: int) -> None:
    if before != OUTLIER:
        txn.delete(CLUSTER_MICROS, (before, micro))
    if after != OUTLIER:
        txn.put(CLUSTER_MICROS, (after, micro), b"")


def _resize(txn: Transaction, cluster: int, delta: int, at: int) -> None:
    record = txn.get(CLUSTERS, cluster) or ClusterRecord(born=at)
    size = record.size + delta
    changed = msgspec.structs.replace(record, size=size, state="open" if size else "retired")
    write_cluster(txn, cluster, changed)
