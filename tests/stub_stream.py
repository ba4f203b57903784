"""The stream from shards to the store in one process, with a stand-in for the encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.plan import ShardPlan
from index.ingest import CommitReport, Ingest, IngestConfig
from index.library import open_library
from index.store import Store
from index.stream.batch import ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import HttpOptions, ReadOptions
from index.tables import SAMPLES
from index.views import CROP_SIZE, ObjectView

DIM = 16
FINGERPRINT = "5" * 8
LOOPBACK = HttpOptions(timeout_s=1.0, attempts=3, backoff_s=0.01, private_hosts=("127.0.0.1",))


class StubBackbone:
    """Describes an image by which of four corners is brightest, and a little by its bytes."""

    fingerprint = FINGERPRINT

    def embed_objects(self, images: Sequence[NDArray[np.uint8]], most: int) -> list[list[ObjectView]]:
        return [[self._view(image)][:most] for image in images]

    def _view(self, image: NDArray[np.uint8]) -> ObjectView:
        height, width = image.shape[:2]
        seed = int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:4], "big")
        corners = [image[y : y + height // 2, x : x + width // 2].mean() for y in (0, height // 2) for x in (0, 8)]
        vector = np.eye(DIM)[int(np.argmax(corners))] + np.random.default_rng(seed).normal(0, 0.08, DIM)
        crop = np.full((CROP_SIZE, CROP_SIZE, 3), image.mean(), np.uint8)
        mask = np.ones((CROP_SIZE, CROP_SIZE), bool)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return ObjectView(unit, crop, mask, (0.0, 0.0, 9.0, 9.0), (width, height), 0.5)


def open_writer(folder: Path) -> Ingest:
    return Ingest(folder, "stub", FINGERPRINT, DIM, IngestConfig(map_size_gib=0.25))


def mine(folder: Path, *patterns: str | Path, count: int = 8, backbone: Any = None) -> list[CommitReport]:
    """One run over shards, as the daemon does it: plan, read, embed, commit."""
    with closing(open_writer(folder)) as ingest:
        return _mined(ingest, [str(pattern) for pattern in patterns], count, backbone or StubBackbone())


def _mined(ingest: Ingest, patterns: list[str], count: int, backbone: StubBackbone) -> list[CommitReport]:
    plan = ShardPlan(patterns, ingest.shards(), follow=False)
    cursor = ShardCursor(ReadOptions(http=LOOPBACK))
    reports = []
    while (stretch := plan.next()) is not None:
        start, mark, last = stretch.start, stretch.mark, False
        while not last:
            batch = embed_batch(backbone, cursor.read(stretch.shard, start, count, mark))
            reports.append(ingest.commit(batch))
            start, mark, last = batch.header.end, batch.header.mark, batch.header.last
    return reports


def keys(folder: Path) -> list[str]:
    """Keys of all stored images, in order."""
    library = open_library(folder)
    found = [image.key for image in library.images(limit=1000).items]
    library.close()
    return found


def reasons(folder: Path) -> dict[str, int]:
    """How often each reason was recorded."""
    library = open_library(folder)
    found = library.status().rejects_by_reason
    library.close()
    return found


def contents(folder: Path) -> dict[str, Any]:
    """All that a run leaves behind and that does not tell when it ran."""
    store = Store(folder, readonly=True)
    with store.read() as txn:
        records = {number: record for (number,), record in txn.scan(SAMPLES)}
    store.close()
    library = open_library(folder)
    images = library.images(limit=1000).items
    status = library.status()
    found = {
        "images": [(i.id, i.shard, i.key, i.url, i.cluster, records[i.id].index, records[i.id].sha256) for i in images],
        "vectors": [(number, vector.tolist()) for number, vector in library.vectors()],
        "rejects": [(r.shard, r.key, r.reason, r.detail) for r in library.rejects(limit=1000).items],
        "counts": (status.images, status.rejected, status.outliers, status.shards_done),
        "shards": [(s.url, s.cursor, s.done, s.stored, s.rejected) for s in library.shards(limit=1000).items],
    }
    library.close()
    return found
