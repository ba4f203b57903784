"""Queries: what an image costs over HTTP beside the bare encoder, and how many descriptors a second one core answers.

The library is made up: clusters of descriptors in the encoder's dimension. Descriptors are asked for in this process,
on one core and with one thread, while another process stores batches as the writer does, without encoder and clusterer.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import psutil
from PIL import Image

from daemon.query import MAX_SIDE
from index.backbones import Backbone, load_backbone
from index.library import open_library
from index.search import SimilaritySearch
from index.stream.decode import decode_image
from index.threads import one_thread
from ops.bench.ball import publish_ball
from ops.bench.crowd import Crowd
from ops.bench.pages import serving
from ops.bench.query_library import ASKED, build, ingest
from ops.bench.report import Measure, Report
from ops.errors import RejectError, StateError
from ops.synth.render import photograph
from ops.synth.shapes import make_shapes

TARGETS = {50: 1.3, 99: 2.0}
RATE, P99_MS = 500.0, 50.0
_PICTURES = 12
_WARM_UP = 3
_START_S = 120.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        images: stored in the library.
        queries: by image.
        seconds: of queries by descriptor.
        backbone: encoder.
        state: a library to ask by image instead; it is not written to.
    """

    images: int = 20_000
    queries: int = 60
    seconds: float = 10.0
    backbone: str = "embedded"
    state: Path | None = None


@dataclass(frozen=True, slots=True)
class _Turns:
    """Seconds that the bare encoder and queries took, one by one, and processor time of all, here and at the server."""

    bare: list[float]
    asked: list[float]
    busy: float
    served: float


def run(settings: Settings, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Asks by image and by descriptor.

    Args:
        settings: what and how long.
        tell: told of progress.

    Raises:
        BackboneError: the encoder can't be loaded.
        StateError: the server did not start on the library.
    """
    encoder = load_backbone(settings.backbone)
    with TemporaryDirectory(prefix="shapelode-query-") as folder:
        made_up = Path(folder)
        build(made_up, settings.images, encoder.dim, (settings.backbone, encoder.fingerprint), tell)
        pictures = [_jpeg(seed) for seed in range(_PICTURES)]
        if settings.state is None:
            publish_ball(made_up, _nearest_cluster(made_up, encoder, pictures[0]), encoder.patch_dim)
        measures = by_image(settings.state or made_up, encoder, pictures, settings.queries, tell)
        times, busy = by_descriptor(made_up, encoder.dim, settings, tell)
    rate = len(times) / sum(times)
    measures += [
        Measure("descriptors a second, one core, during ingest", rate, "higher", {"to reach": RATE}),
        Measure("the same, a second of processor time", len(times) / busy, "higher", {"to reach": RATE}),
        Measure("descriptor p99, ms", 1000 * _share(times, 99), "lower", {"to reach": P99_MS}),
        Measure("descriptor p50, ms", 1000 * _share(times, 50), "context"),
    ]
    facts: dict[str, str | int | float] = {
        "images of the library": settings.images, "dimensions": encoder.dim, "backbone": settings.backbone,
        "queries by image": settings.queries, "queries by descriptor": len(times),
    }  # fmt: skip
    return Report("queries", measures, facts)


def by_image(
    state: Path, encoder: Backbone, pictures: Sequence[bytes], queries: int, tell: Callable[[str], None]
) -> list[Measure]:
    """What a query by image takes over HTTP, in turns with the bare encoder on the same pictures.

    Registration is measured with the first of them, where it finds a shape.
    """
    with serving(state) as url, httpx.Client(base_url=url, trust_env=False, timeout=600) as client:
        _in_turns(client, encoder, pictures, _WARM_UP, tell)
        found = _in_turns(client, encoder, pictures, queries, tell)
        registered = [_ask(client, pictures[0], 1) for _ in range(_WARM_UP)]
        registering = [_timed(lambda: _ask(client, pictures[0], 1)) for _ in range(3)] if all(registered) else []
    middle = float(np.median(found.bare))
    measures = _over_the_encoder(found, middle)
    name, shown = "processor time of an image query, over the bare encoder's", 1000 * _share(found.asked, 50)
    measures.append(Measure(name, found.served / found.busy, "lower", {"to reach": TARGETS[50]}))
    measures.append(Measure("image query p50, ms", shown, "lower", {"bare encoder": 1000 * middle}))
    if registering:
        measures.append(Measure("with registration to one shape, ms", 1000 * float(np.median(registering)), "context"))
    return measures


def _over_the_encoder(found: _Turns, middle: float) -> list[Measure]:
    """What a query takes beside the encoder: p99 over its p50, and over its p99 of the same turns, which others on the
    machine slow down alike."""
    high = _share(found.bare, 99)
    return [
        *(
            Measure(f"image query p{share}, over the bare encoder's p50", _share(found.asked, share) / middle, "lower",
                    {"to reach": target, "the bare encoder": _share(found.bare, share) / middle})
            for share, target in TARGETS.items()
        ),
        Measure("image query p99, over the bare encoder's p99", _share(found.asked, 99) / high, "lower",
                {"to reach": TARGETS[99]}),
    ]  # fmt: skip


def _in_turns(
    client: httpx.Client, encoder: Backbone, pictures: Sequence[bytes], queries: int, tell: Callable[[str], None]
) -> _Turns:
    bare: list[float] = []
    asked: list[float] = []
    busy, served = 0.0, _children_busy()
    for number in range(queries):
        raw = pictures[number % len(pictures)]
        pixels, _ = decode_image(raw, MAX_SIDE)
        began = time.process_time()
        bare.append(_timed(lambda pixels=pixels: encoder.embed([pixels])))  # type: ignore[misc]
        busy += time.process_time() - began
        asked.append(_timed(lambda raw=raw: _ask(client, raw, 0)))  # type: ignore[misc]
        if number % 10 == 0:
            tell(f"image {number}: {1000 * asked[-1]:.0f} ms, the bare encoder {1000 * bare[-1]:.0f} ms")
    return _Turns(bare, asked, busy, _children_busy() - served)


def by_descriptor(folder: Path, dim: int, settings: Settings, tell: Callable[[str], None]) -> tuple[list[float], float]:
    """Seconds that each query by descriptor takes on one core while batches are stored, and processor time of all.

    The latter is what the former add up to on a machine that does nothing else.
    """
    library = open_library(folder)
    crowd = Crowd(settings.images, dim)
    try:
        with _one_core(), _ingesting(folder, settings.images, dim):
            search = SimilaritySearch(library)
            search.query(crowd.batch(ASKED, 1)[0])
            times: list[float] = []
            busy = 0.0
            before = len(search)
            tell(f"{before:,} descriptors indexed")
            while sum(times) < settings.seconds:
                vector = crowd.batch(ASKED + len(times), 1)[0]
                began = time.thread_time()
                times.append(_timed(lambda vector=vector: search.query(vector)))  # type: ignore[misc]
                busy += time.thread_time() - began
            tell(f"{len(search) - before:,} images were stored meanwhile")
    finally:
        library.close()
    return times, busy


@contextmanager
def _ingesting(folder: Path, images: int, dim: int) -> Iterator[None]:
    context = get_context("spawn")
    begun, stop = context.Event(), context.Event()
    writer = context.Process(target=ingest, args=(folder, images, dim, begun, stop))
    writer.start()
    try:
        if not begun.wait(_START_S):
            raise StateError("the process that stores images did not begin")
        yield
    finally:
        stop.set()
        writer.join()


@contextmanager
def _one_core() -> Iterator[None]:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        with one_thread():
            yield
    finally:
        os.sched_setaffinity(0, cores)


def _ask(client: httpx.Client, raw: bytes, register: int) -> bool:
    """Asks by image; tells whether it was registered to a shape."""
    response = client.post("/v1/query", params={"register": register}, files={"image": raw})
    items = response.raise_for_status().json()["items"]
    return any(item["registration"] is not None for item in items)


def _children_busy() -> float:
    """Processor time that our child processes and theirs have taken; what others do does not change it."""
    family = psutil.Process().children(recursive=True)
    return float(sum(sum(process.cpu_times()[:2]) for process in family))


def _nearest_cluster(folder: Path, encoder: Backbone, raw: bytes) -> int:
    found = encoder.embed([decode_image(raw, MAX_SIDE)[0]])[0]
    if isinstance(found, RejectError):
        raise StateError(f"the encoder finds no object in a made-up picture: {found}")
    library = open_library(folder)
    try:
        return SimilaritySearch(library).query(found.descriptor)[0].cluster
    finally:
        library.close()


def _jpeg(seed: int) -> bytes:
    """A photo of a procedural object, of a size that web photos have."""
    random = np.random.default_rng(seed)
    picture = photograph(make_shapes(1, seed)[0], random, 512).image
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _timed(work: Callable[[], object]) -> float:
    """Seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _share(times: Sequence[float], percent: int) -> float:
    return float(np.percentile(times, percent))
