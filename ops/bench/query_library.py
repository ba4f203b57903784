"""A library of made-up descriptors, and a writer that goes on storing batches in it; loads neither torch nor FAISS."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.codec import encode_vector
from index.records import ClusterRecord, Identity, MicroRecord, SampleRecord
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import CLUSTER_MICROS, MICRO_SAMPLES, MICROS, SAMPLES, VECTORS
from index.totals import add_counts, write_cluster

_CHUNK = 2000
_BATCH = 64
_PAUSE_S = 0.2  # between two batches: an embedder on two cores makes some hundred images a second at best
_OF_A_CLUSTER = 40
_SPREAD = 0.6  # length of what sets an image of a cluster apart from its middle
_MAP_GIB = 8.0
Vectors = NDArray[np.float32]


def build(
    folder: Path, images: int, dim: int, backbone: tuple[str, str], tell: Callable[[str], None] = lambda line: None
) -> None:
    """Writes a library of clusters of descriptors, without crops and shapes."""
    store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
    try:
        claim_identity(store, Identity(SCHEMA, *backbone, dim, "made up", 0.0))
        clusters = max(1, images // _OF_A_CLUSTER)

        def found(txn: Transaction) -> None:
            for cluster in range(1, clusters + 1):
                write_cluster(txn, cluster, ClusterRecord(_OF_A_CLUSTER, 0, "open"))
                txn.put(MICROS, cluster, MicroRecord(cluster, _OF_A_CLUSTER, b"", cluster))
                txn.put(CLUSTER_MICROS, (cluster, cluster), b"")

        store.transact(found)
        random = np.random.default_rng(0)
        for start in range(0, images, _CHUNK):
            count = min(_CHUNK, images - start)
            _store(store, start, *draw(random, images, dim, count))
            tell(f"building: {start + count:,} of {images:,} images")
    finally:
        store.close()


def draw(random: np.random.Generator, images: int, dim: int, count: int) -> tuple[list[int], Vectors]:
    """Clusters of a library of so many images, counted from 1, and unit descriptors ``(count, dim)`` around them."""
    clusters = random.integers(1, 1 + max(1, images // _OF_A_CLUSTER), count)
    middles = np.stack([np.random.default_rng(int(cluster)).normal(size=dim) for cluster in clusters])
    vectors = middles + _SPREAD * random.normal(size=(count, dim))
    found: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return clusters.tolist(), found


def _store(store: Store, start: int, clusters: list[int], vectors: Vectors) -> None:
    def work(txn: Transaction) -> None:
        for sample, (micro, vector) in enumerate(zip(clusters, vectors, strict=True), start):
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
    random = np.random.default_rng(2)
    start = images
    while not stop.wait(_PAUSE_S):
        _store(store, start, *draw(random, images, dim, _BATCH))
        start += _BATCH
        begun.set()
    store.close()
