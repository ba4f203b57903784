"""Does memory stay flat over a long stream? The reader with its sandbox and the writer, with a stand-in encoder.

One process reads, decodes, embeds, commits, clusters and indexes through the code that the daemon's actors call. What
is stored has to be found again, so the index and the clusterer's table grow with it; nothing else may.
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

from index.ingest import CommitReport, Ingest, IngestConfig
from index.kinds import Sizes
from index.stream.batch import ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import ReadOptions
from index.stream.sandbox import DecoderPool
from ops.bench.kills.stream import DIM, GRID, ColourEncoder
from ops.bench.report import Measure, Report
from ops.bench.soak.samples import anonymous
from ops.errors import StateError

FLAT = 1.0
"""MiB that memory beyond the index may grow by over 10,000 images."""
_PER, _FEWEST = 10_000, 3
_KINDS, _SIDE, _MAP_GIB = 300, 64, 16.0
_STORED = 0.9
_NEVER = 2**62
_SKEW = 1.5
_OWN = 28  # that a picture's colours differ by from its kind's, of 255
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a stream: images, samples a shard and a batch; and whether the index stays exhaustive.

    Lists of an index of another type grow by doubling, so that it takes up to twice the memory of what it holds; an
    exhaustive one has no such lists, and shows what else grows.
    """

    images: int = 100_000
    per_shard: int = 1000
    batch: int = 32
    flat: bool = False

    @property
    def sizes(self) -> Sizes:
        """From how many vectors on which type of index is used."""
        return Sizes(ivf=_NEVER, sq=_NEVER) if self.flat else Sizes()


@dataclass(frozen=True, slots=True)
class Look:
    """Memory at one moment, in MiB: of the process, of its decoder, and what of the former is index and clusterer."""

    images: int
    process: float
    decoder: float
    index: float
    clusterer: float

    @property
    def beyond(self) -> float:
        """What is neither the index nor the clusterer."""
        return self.process - self.index - self.clusterer


def run(settings: Settings, tell: Tell = lambda line: None) -> Report:
    """Streams images and looks at memory after each shard.

    Raises:
        StateError: fewer than nine in ten images were stored, so that the stream was not as long as it seems.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="shapelode-memory-") as folder:
        looks = stream(Path(folder), settings, tell)
    seconds = time.monotonic() - began
    if looks[-1].images < _STORED * settings.images:
        raise StateError(f"only {looks[-1].images:,} of {settings.images:,} images were stored: they are too alike")
    late = looks[len(looks) // 2 :]
    beyond = [look.beyond for look in late]
    measures = [
        Measure("memory beyond index and clusterer, MiB over 10,000 images", _rise(late, beyond), "lower",
                {"to reach": FLAT}),
        Measure("the decoder's, MiB over 10,000 images", _rise(late, [look.decoder for look in late]), "lower",
                {"to reach": FLAT}),
        Measure("the index', MiB over 10,000 images", _rise(late, [look.index for look in late]), "context"),
        Measure("the clusterer's, MiB over 10,000 images", _rise(late, [look.clusterer for look in late]), "context"),
        Measure("memory beyond index and clusterer at the end, MiB", beyond[-1], "lower", {"half way": beyond[0]}),
        Measure("images a second", looks[-1].images / seconds, "context"),
    ]  # fmt: skip
    facts: dict[str, str | int | float] = {
        "images": looks[-1].images, "a batch": settings.batch, "dimensions": DIM, "from image": late[0].images,
        "index": "exhaustive" if settings.flat else "by size",
    }  # fmt: skip
    return Report("memory over a long stream", measures, facts)


def stream(folder: Path, settings: Settings, tell: Tell) -> list[Look]:
    """Makes one shard after another, mines it and removes it."""
    encoder = ColourEncoder()
    config = IngestConfig(map_size_gib=_MAP_GIB, sizes=settings.sizes)
    looks: list[Look] = []
    with (
        DecoderPool(ReadOptions().decode) as decode,
        closing(Ingest(folder / "state", encoder.name, encoder.fingerprint, DIM, config)) as ingest,
    ):
        cursor = ShardCursor(ReadOptions(max_side=_SIDE), decode)
        for first in range(0, settings.images, settings.per_shard):
            shard = folder / f"{first}.tar"
            write_shard(shard, first, min(settings.per_shard, settings.images - first))
            report = _mine(cursor, ingest, encoder, str(shard), settings.batch)
            shard.unlink()
            looks.append(_look(report))
            if len(looks) % 5 == 0:
                last = looks[-1]
                tell(
                    f"{last.images:,} images: {last.process:.1f} MiB, {last.index:.1f} of them the index, "
                    f"{last.clusterer:.1f} the clusterer"
                )
    return looks


def _mine(cursor: ShardCursor, ingest: Ingest, encoder: ColourEncoder, shard: str, count: int) -> CommitReport:
    """Mines one shard to its end; what is told of its last batch."""
    start, last = 0, False
    while not last:
        batch = embed_batch(encoder, cursor.read(shard, start, count), most=1)
        report = ingest.commit(batch)
        start, last = batch.header.end, batch.header.last
    return report


def _look(report: CommitReport) -> Look:
    process = psutil.Process()
    decoders = sum(anonymous(child.pid) for child in process.children())
    index, clusterer = report.index_bytes / 2**20, report.clusterer_bytes / 2**20
    return Look(report.total_images, anonymous(process.pid), decoders, index, clusterer)


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
    """Pictures of a bounded number of kinds, few so like another that they are refused as near-copies."""
    with tarfile.open(path, "w") as tar:
        for number in range(first, first + count):
            data = _picture(number)
            info = tarfile.TarInfo(f"{number:08d}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _picture(number: int) -> bytes:
    own = np.random.default_rng(_KINDS + number)
    # Some kinds are far more frequent than others, as on a crawl: the index's lists would double in step otherwise.
    kind = np.random.default_rng(int(_KINDS * own.random() ** _SKEW))
    values = kind.integers(30, 226, (GRID, GRID, 3)) + own.integers(-_OWN, _OWN + 1, (GRID, GRID, 3))
    picture = Image.fromarray(values.astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
    # Grids of a kind may well be alike; files have to differ, or they would be refused as stored already.
    picture.putpixel((0, 0), (number % 256, number // 256 % 256, number // 256**2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
