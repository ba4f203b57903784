"""Embedded batches without an encoder: descriptors drawn around a few centres."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from index.ingest import Ingest, IngestConfig
from index.stream.batch import Batch, BatchHeader, Sample
from index.views import CROP_SIZE, ObjectView
from ops.errors import RejectError

DIM = 16


def view(seed: int, centres: int = 4) -> ObjectView:
    """A view whose descriptor lies near centre ``seed % centres``."""
    centre = np.random.default_rng(seed % centres).normal(size=DIM)
    vector = (centre + 0.15 * np.random.default_rng(1000 + seed).normal(size=DIM)).astype(np.float32)
    mask = np.zeros((CROP_SIZE, CROP_SIZE), bool)
    mask[40:180, 60 : 100 + seed % 50] = True
    crop = np.full((CROP_SIZE, CROP_SIZE, 3), seed % 255, np.uint8)
    return ObjectView(vector / np.linalg.norm(vector), crop, mask, (0.0, 0.0, 50.0, 50.0), (64, 48), 0.3)


def sample(
    index: int, seed: int | None = None, key: str | None = None, reject: RejectError | None = None, objects: int = 1
) -> Sample:
    """One sample, embedded or refused; of several objects, each lies near a centre of its own."""
    seed = index if seed is None else seed
    found = () if reject else tuple(view(seed + place) for place in range(objects))
    return Sample(index, key or f"k{index}", f"http://x/{index}", f"{seed:064d}", (64, 48), views=found, reject=reject)


def batch(shard: str, samples: list[Sample], *, last: bool = False, start: int | None = None) -> Batch:
    """A batch of consecutive samples."""
    begin = samples[0].index if start is None else start
    return Batch(BatchHeader(shard, begin, begin + len(samples), last, 0, 0.01), samples, fingerprint="f" * 8)


def stream(shard: str, count: int, size: int, seed: int = 0) -> list[Batch]:
    """A whole shard in batches."""
    starts = range(0, count, size)
    return [
        batch(shard, [sample(i, seed + i) for i in range(s, min(s + size, count))], last=s + size >= count)
        for s in starts
    ]


def open_ingest(folder: Path, clusterer: str = "linkage", **changes: object) -> Ingest:
    """A writer on a state directory."""
    config = IngestConfig(clusterer=clusterer, map_size_gib=0.25, **changes)  # type: ignore[arg-type]
    return Ingest(folder, "test", "f" * 8, DIM, config)
