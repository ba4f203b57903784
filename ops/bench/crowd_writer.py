"""Stores the descriptors of a crowd as the writer does, without crops, masks and shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from index.cache import VectorCache
from index.codec import decode_vector, encode_vector
from index.lock import FileLock
from index.partition import Partition, write_lineage
from index.records import Identity, SampleRecord
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import MICROS, SAMPLES, VECTORS
from index.totals import add_counts
from ops.bench.crowd import BATCH, IntArray, Vectors
from ops.errors import StateError

FINGERPRINT = "made up"
_MAP_GIB = 64.0


class CrowdWriter:
    """Does with a batch of descriptors what the writer does, without crops, masks and shards."""

    def __init__(self, folder: Path, dim: int) -> None:
        """Opens or creates the state and rebuilds in memory what the store tells.

        Raises:
            StateError: another one is at it, which would number its micro-clusters as this one does.
        """
        self._lock = FileLock(folder / "writer.lock")
        self._store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
        claim_identity(self._store, Identity(SCHEMA, "made up", FINGERPRINT, dim, "linkage", 0.0))
        self._partition: Partition | None = None
        with self._store.read() as txn:
            self._restored(txn)
            self.images = txn.counters().stored
        self._cache = VectorCache(folder, FINGERPRINT, dim, self._store)
        self._batches = 0

    def _restored(self, txn: Transaction) -> Partition:
        if self._partition is None:
            self._partition = Partition("linkage", txn, self._store.folder)
        return self._partition

    def _forget(self) -> None:
        self._partition = None  # what it learnt in a transaction that was undone it would learn twice

    def add(self, vectors: Vectors) -> None:
        """Stores and clusters a batch, in one transaction, and takes it into the index."""
        rows = np.stack([decode_vector(encode_vector(vector)) for vector in vectors])
        ids = list(range(self.images, self.images + len(rows)))

        def work(txn: Transaction) -> None:
            learned = self._restored(txn).learn(txn, ids, rows, "0" * 8, ids[-1] + 1)
            for number, row, micro, strength in zip(ids, rows, learned.micros, learned.strengths, strict=True):
                record = SampleRecord(f"{number}", "/crowd.tar", number, "", 640, 480, (0, 0, 480, 480), 0.3, "", micro,
                                      strength, 0.0)  # fmt: skip
                txn.put(SAMPLES, number, record)
                txn.put(VECTORS, number, encode_vector(row))
            write_lineage(txn, learned.events, ids[-1] + 1)
            add_counts(txn, next_sample=len(rows), stored=len(rows))

        self._store.transact(work, undone=self._forget)
        self.images += len(rows)
        self._cache.add(ids, list(rows), self.images)
        self._batches += 1
        if self._batches % BATCH == 0:
            self._cache.save_if_due()
            if self._partition is not None:
                self._partition.save(due=True)

    def clusters(self) -> IntArray:
        """``(N,)`` cluster of each image, `OUTLIER` for none."""
        with self._store.read() as txn:
            of_micro = {micro: record.cluster for (micro,), record in txn.scan(MICROS)}
            return np.array([of_micro[record.micro] for _, record in txn.scan(SAMPLES)], np.int64)

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What the state has become."""
        with self._store.read() as txn:
            clusters = txn.counters().clusters
        return {"clusters": clusters, "index": self._cache.kind, "recall probe": self._cache.recall}

    def close(self) -> None:
        """Saves the index and releases the store.

        Raises:
            StateError: the index can't be written.
        """
        saved = self._cache.save()
        if self._partition is not None:
            self._partition.save()
        self._store.close()
        self._lock.release()
        if not saved:
            raise StateError("the index of the benchmark could not be written; is the disk full?")
