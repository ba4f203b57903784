"""A library of a crowd's descriptors, and a writer that goes on storing in it; loads neither torch nor FAISS."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from multiprocessing.synchronize import Event
from pathlib import Path

from index.codec import encode_vector
from index.records import ClusterRecord, Identity, MicroRecord, SampleRecord
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import CLUSTER_MICROS, MICRO_SAMPLES, MICROS, SAMPLES, VECTORS
from index.totals import add_counts, write_cluster
from ops.bench.crowd import BATCH, OF_A_CLUSTER, Crowd, IntArray, Vectors

_CHUNK = 2000
_PAUSE_S = 0.2  # between two batches: an embedder on two cores makes some hundred images a second at best
_MAP_GIB = 8.0
STORED_MEANWHILE, ASKED = 1_000_000, 2_000_000
"""First batch of what is stored meanwhile, and of what is asked for: none is in the library before."""


def build(
    folder: Path, images: int, dim: int, backbone: tuple[str, str], tell: Callable[[str], None] = lambda line: None
) -> None:
    """Writes a library of clusters of descriptors, without crops and shapes."""
    store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
    try:
        claim_identity(store, Identity(SCHEMA, *backbone, dim, "made up", 0.0))
        crowd = Crowd(images, dim)

        def found(txn: Transaction) -> None:
            for cluster in range(crowd.clusters):
                write_cluster(txn, cluster, ClusterRecord(OF_A_CLUSTER, 0, "open"))
                txn.put(MICROS, cluster, MicroRecord(cluster, OF_A_CLUSTER, cluster))
                txn.put(CLUSTER_MICROS, (cluster, cluster), b"")

        store.transact(found)
        for start in range(0, images, _CHUNK):
            some = min(_CHUNK, images - start)
            _store(store, start, *crowd.members(start // _CHUNK, some))
            tell(f"building: {start + some:,} of {images:,} images")
    finally:
        store.close()


def _store(store: Store, start: int, clusters: IntArray, vectors: Vectors) -> None:
    def work(txn: Transaction) -> None:
        for sample, (micro, vector) in enumerate(zip(clusters.tolist(), vectors, strict=True), start):
            record = SampleRecord(f"{sample}", "/crawl/0.tar", sample, "", 640, 480, (0, 0, 480, 480), 0.3, "", micro,
                                  1.0, 0.0)  # fmt: skip
            txn.put(SAMPLES, sample, record)
            txn.put(VECTORS, sample, encode_vector(vector))
            txn.put(MICRO_SAMPLES, (micro, sample), b"")
        add_counts(txn, next_sample=len(vectors), stored=len(vectors))

    store.transact(work)


def ingest(folder: Path, images: int, dim: int, begun: Event, stop: Event) -> None:
    """Stores batch after batch until told to stop.

    Args:
        folder: a library that `build` wrote.
        images: in it.
        dim: of its descriptors.
        begun: set once the first batch is stored.
        stop: ends it.
    """
    store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
    crowd, start = Crowd(images, dim), images
    for number in count(STORED_MEANWHILE):
        if stop.wait(_PAUSE_S):
            break
        _store(store, start, *crowd.members(number))
        start += BATCH
        begun.set()
    store.close()
