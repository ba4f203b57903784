"""Does memory stay flat over a long stream? The reader with its sandbox and the writer, with a stand-in encoder.

One process reads, decodes, embeds, commits, clusters and indexes through the code that the daemon's actors call. What
is stored has to be found again, so the index in memory grows with it; nothing else may.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from PIL import Image

from index.ingest import Ingest, IngestConfig
from index.stream.batch import ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import ReadOptions
from index.stream.sandbox import DecoderPool
from ops.bench.kills.stream import DIM, GRID, ColourEncoder
from ops.bench.report import Measure, Report
from ops.bench.soak.samples import anonymous

FLAT = 1.0
"""MiB that memory beyond the index may grow by over 10,000 images."""
_PER, _FEWEST = 10_000, 3
_KINDS, _SIDE, _MAP_GIB = 300, 64, 16.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a stream: images, samples a shard and a batch."""

    images: int = 100_000
    per_shard: int = 1000
    batch: int = 32


@dataclass(frozen=True, slots=True)
class Look:
    """Memory at one moment, in MiB: of the process, of its decoder, and what of the former is the index."""

    images: int
    process: float
    decoder: float
    index: float


def run(settings: Settings, tell: Tell = lambda line: None) -> Report:
    """Streams images and looks at memory after each shard."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="shapelode-memory-") as folder:
        looks = stream(Path(folder), settings, tell)
    seconds = time.monotonic() - began
    late = looks[len(looks) // 2 :]
    beyond = [look.process - look.index for look in late]
    index = _rise(late, [look.index for look in late])
    measures = [
        Measure("memory beyond the index, MiB over 10,000 images", _rise(late, beyond), "lower", {"to reach": FLAT}),
        Measure("the decoder's, MiB over 10,000 images", _rise(late, [look.decoder for look in late]), "lower",
                {"to reach": FLAT}),
        Measure("the index', MiB over 10,000 images", index, "context"),
        Measure("memory beyond the index at the end, MiB", beyond[-1], "lower", {"half way": beyond[0]}),
        Measure("images a second", looks[-1].images / seconds, "context"),
    ]  # fmt: skip
    facts: dict[str, str | int | float] = {
        "images": looks[-1].images, "a batch": settings.batch, "dimensions": DIM, "from image": late[0].images,
    }  # fmt: skip
    return Report("memory over a long stream", measures, facts)


def stream(folder: Path, settings: Settings, tell: Tell) -> list[Look]:
    """Makes one shard after another, mines it and removes it."""
    encoder = ColourEncoder()
    config = IngestConfig(map_size_gib=_MAP_GIB)
    looks: list[Look] = []
    with (
        DecoderPool(ReadOptions().decode) as decode,
        closing(Ingest(folder / "state", encoder.name, encoder.fingerprint, DIM, config)) as ingest,
    ):
        cursor = ShardCursor(ReadOptions(max_side=_SIDE), decode)
        for first in range(0, settings.images, settings.per_shard):
            shard = folder / f"{first}.tar"
            write_shard(shard, first, min(settings.per_shard, settings.images - first))
            stored, index = _mine(cursor, ingest, encoder, str(shard), settings.batch)
            shard.unlink()
            looks.append(_look(stored, index))
            if len(looks) % 5 == 0:
                last = looks[-1]
                tell(f"{stored:,} images: {last.process:.1f} MiB, {last.index:.1f} of them the index")
    return looks


def _mine(cursor: ShardCursor, ingest: Ingest, encoder: ColourEncoder, shard: str, count: int) -> tuple[int, int]:
    """Mines one shard to its end; images stored in all, and bytes of the index."""
    start, last = 0, False
    while not last:
        batch = embed_batch(encoder, cursor.read(shard, start, count), most=1)
        report = ingest.commit(batch)
        start, last = batch.header.end, batch.header.last
    return report.total_images, report.index_bytes


def _look(images: int, index: int) -> Look:
    process = psutil.Process()
    decoders = sum(anonymous(child.pid) for child in process.children())
    return Look(images, anonymous(process.pid), decoders, index / 2**20)


def _rise(looks: list[Look], values: list[float]) -> float:
    """Least squares of a rise over 10,000 images.

    It is fitted to the least value of each stretch of that length: an index that is trained anew takes memory for a
    while and gives it back, what leaks stays. A shorter stream is taken as it is.
    """
    least: dict[int, tuple[float, float]] = {}
    for look, value in zip(looks, values, strict=True):
        known = least.setdefault((look.images - 1) // _PER, (value, look.images))
        least[(look.images - 1) // _PER] = min(known, (value, look.images))
    points = list(least.values())
    if len(points) < _FEWEST:
        points = [(value, look.images) for look, value in zip(looks, values, strict=True)]
    levels, images = np.array(points, float).T
    return _PER * float(np.polyfit(images - images.mean(), levels, 1)[0]) if len(points) > 1 else 0.0


def write_shard(path: Path, first: int, count: int) -> None:
    """Pictures of a bounded number of kinds, none twice."""
    with tarfile.open(path, "w") as tar:
        for number in range(first, first + count):
            data = _picture(number)
            info = tarfile.TarInfo(f"{number:08d}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _picture(number: int) -> bytes:
    kind, own = np.random.default_rng(number % _KINDS), np.random.default_rng(_KINDS + number)
    values = kind.integers(30, 226, (GRID, GRID, 3)) + own.integers(-3, 4, (GRID, GRID, 3))
    picture = Image.fromarray(values.astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    # Grids of a kind may well be alike; files have to differ, or they would be refused as stored already.
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, number // 256**2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
