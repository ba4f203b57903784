"""How inserts, queries and restarts behave as a library of descriptors grows, each figure beside what it has to reach.

Descriptors are made up (`ops/bench/crowd.py`) and stored by the writer's own code, without encoder, crops and masks,
whose cost does not depend on the size. Filling, and going on after a restart while queries are asked here, are
processes of their own, so that memory is that of the writer alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from math import nan
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from river.cluster import DBSTREAM

from index.clustering import make_clusterer
from index.library import Library, open_library
from index.records import OUTLIER
from index.search import SimilaritySearch
from ops.bench.crowd import BATCH, OF_A_CLUSTER, Crowd, IntArray
from ops.bench.crowd_writer import CrowdWriter
from ops.bench.report import Measure, Report
from ops.errors import StateError

RATIO, OVER_RIVER, RECALL, READY_S, OVER_FAISS, KEPT = 1.5, 100.0, 0.95, 60.0, 2.0, 0.99
SMALL = 10_000
"""Images at which an insert is measured first."""
_WINDOW = 160  # batches over which an insert is measured
_MORE = -(-1000 // BATCH)  # batches over which members are asked to keep their cluster
_NEIGHBOURS, _QUERIES = 10, 200
_VOTES = 50
_EXACT_BLOCK = 8192
_CLUSTERS_OF_RIVER = 120
_RADIUS = 0.8  # of DBSTREAM's micro-clusters: it finds one for each cluster of pictures
_START_S = 3600.0
_THREADS = "OMP_NUM_THREADS"
Tell = Callable[[str], None]
Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        vectors: stored in all.
        dim: of them.
        seconds: of queries while the writer goes on.
        river_s: seconds that river's DBSTREAM learns for.
        seed: of the descriptors.
    """

    vectors: int = 1_000_000
    dim: int = 384
    seconds: float = 20.0
    river_s: float = 30.0
    seed: int = 0

    @property
    def batches(self) -> int:
        """Batches that hold the vectors."""
        return -(-self.vectors // BATCH)


@dataclass(frozen=True, slots=True)
class Filled:
    """Seconds an image took, batch by batch, around `SMALL` and at the end, all and of processor time; and the rest.

    ``kept_small`` and ``kept`` are the shares of members that stay in their cluster over `_MORE` batches there.
    """

    small: list[float]
    full: list[float]
    small_busy: list[float]
    full_busy: list[float]
    longest: float
    seconds: float
    peak_mib: float
    kept_small: float
    kept: float
    facts: dict[str, str | int | float] = field(default_factory=dict)


def run(settings: Settings, keep: Path | None = None, tell: Tell = lambda line: None) -> Report:
    """Fills a library, restarts its writer and asks queries while it goes on.

    Args:
        settings: how much of what.
        keep: empty folder for the library, to be kept; a temporary one if None.
        tell: told of progress.

    Raises:
        StateError: the folder is not empty, or a process of the benchmark failed.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise StateError(f"{keep} is not empty; name a folder that is, or none")
    few = _CLUSTERS_OF_RIVER * OF_A_CLUSTER
    streams = sorted({few, settings.vectors})
    rates = [rate for images in streams for rate in _in_a_process(beside_river, images, settings)]
    with TemporaryDirectory(prefix="shapelode-scale-") as spare:
        folder = keep or Path(spare)
        folder.mkdir(parents=True, exist_ok=True)
        filled = _in_a_process(fill, folder, settings)
        library = open_library(folder)
        young = _young(settings)
        try:
            measures = [
                *inserts(filled, young), *stays(filled), *rates, *beside_ingest(folder, library, settings, tell)
            ]  # fmt: skip
        finally:
            library.close()
    measures.append(Measure("peak memory of the writer with mapped pages, MiB", filled.peak_mib, "context"))
    facts: dict[str, str | int | float] = {
        "vectors": settings.vectors, "dimensions": settings.dim, "seconds to fill": round(filled.seconds, 1),
        "longest batch, s": round(filled.longest, 2), **filled.facts,
    }  # fmt: skip
    return Report("scale", measures, facts)


def _young(settings: Settings) -> Filled:
    """A library of `SMALL` images, in the middle of what is measured, with as many of each cluster as the large one."""
    with TemporaryDirectory(prefix="shapelode-scale-") as folder:
        return _in_a_process(fill, Path(folder), replace(settings, vectors=SMALL + BATCH * _WINDOW // 2))


def inserts(filled: Filled, young: Filled) -> list[Measure]:
    """What an insert takes in a large library, in a small one, and in the large one when it was as small.

    Then hardly any of its images was in a cluster, so that there was less to write.
    """
    name = f"insert p50 over that of a library of {SMALL:,}"
    many, few, early = (1000 * float(np.median(times)) for times in (filled.full, young.full, filled.small))
    busy = float(np.median(filled.full_busy) / np.median(young.full_busy))
    others = {f"library of {SMALL:,}": few, f"stream at {SMALL:,}": early}
    tails = {name: _share(times, 99) for name, times in zip(others, (young.full, filled.small), strict=True)}
    return [
        Measure(name, many / few, "lower", {"to reach": RATIO}),
        Measure(f"{name}, of processor time", busy, "lower", {"to reach": RATIO}),
        Measure(f"insert p50 over that when the stream was at {SMALL:,}", many / early, "lower", {"to reach": RATIO}),
        Measure("insert p50, ms", many, "lower", others),
        Measure("insert p99, ms", _share(filled.full, 99), "lower", tails),
    ]


def stays(filled: Filled) -> list[Measure]:
    """Whether members keep their cluster while more come."""
    others = {"to reach": KEPT, f"at {SMALL:,}": filled.kept_small}
    return [Measure(f"members that keep their cluster, {_MORE * BATCH:,} inserts", filled.kept, "higher", others)]


def fill(folder: Path, settings: Settings, tell: Tell) -> Filled:
    """Stores all descriptors, batch by batch."""
    crowd, writer = Crowd(settings.vectors, settings.dim, settings.seed), CrowdWriter(folder, settings.dim)
    times: list[tuple[float, float]] = []
    small: list[tuple[float, float]] = []
    longest, began, told = 0.0, time.perf_counter(), time.monotonic()
    at_small: IntArray | None = None
    kept_small = nan
    for number in range(settings.batches):
        vectors = crowd.batch(number)
        busy = time.process_time()
        wall = _timed(lambda vectors=vectors: writer.add(vectors))  # type: ignore[misc]
        times.append((wall / BATCH, (time.process_time() - busy) / BATCH))
        longest = max(longest, wall)
        del times[:-_WINDOW]
        if number + 1 == SMALL // BATCH + _WINDOW // 2 or (writer.images >= settings.vectors and not small):
            small = list(times)
        if number == SMALL // BATCH:
            at_small = writer.clusters()
        elif number == SMALL // BATCH + _MORE and at_small is not None:
            kept_small = _kept(at_small, writer.clusters())
        if time.monotonic() - told > 15:
            told = time.monotonic()
            wall, busy = (1000 * float(middle) for middle in np.median(times, axis=0))
            tell(f"{writer.images:,} of {settings.vectors:,}: {wall:.2f} ms an insert, {busy:.2f} of processor time")
    took = time.perf_counter() - began
    facts = {**writer.facts, "anonymous memory at the end, MiB": round(memory_mib("RssAnon"))}
    peak = memory_mib("VmHWM")  # of writing, not of the looks at all members that follow
    before = writer.clusters()
    for number in range(settings.batches, settings.batches + _MORE):
        writer.add(crowd.batch(number))
    kept = _kept(before, writer.clusters())
    writer.close()
    (few, few_busy), (many, many_busy) = (tuple(map(list, zip(*some, strict=True))) for some in (small, times))
    return Filled(few, many, few_busy, many_busy, longest, took, peak, kept_small, kept, facts)


def _kept(before: IntArray, after: IntArray) -> float:
    """Share of the members of clusters that are in the same one later; NaN if there were none."""
    members = np.flatnonzero(before != OUTLIER)
    return float((before == after[: len(before)])[members].mean()) if len(members) else nan


def beside_river(images: int, settings: Settings, tell: Tell) -> list[Measure]:
    """Vectors a second that our clusterer and river's DBSTREAM learn of the clusters of so many images.

    DBSTREAM learns for a limited time, since it compares each vector with all micro-clusters; both learn the same, and
    the last quarter of it counts, when DBSTREAM knows the most clusters.
    """
    crowd = Crowd(images, settings.dim, settings.seed)
    model: Any = DBSTREAM(clustering_threshold=_RADIUS, fading_factor=0.0001, cleanup_interval=1000)
    learnt: list[NDArray[np.float32]] = []
    theirs: list[float] = []
    while sum(theirs) < settings.river_s and BATCH * len(learnt) < images:
        learnt.append(crowd.batch(len(learnt)))
        rows = [dict(enumerate(vector.tolist())) for vector in learnt[-1]]
        theirs.append(_timed(lambda rows=rows: [model.learn_one(row) for row in rows]))  # type: ignore[misc]
    clusterer = make_clusterer("linkage")
    ours = [_timed(lambda vectors=vectors: clusterer.learn_many(vectors)) for vectors in learnt]  # type: ignore[misc]
    fast, slow = (BATCH / float(np.mean(times[-max(1, len(learnt) // 4) :])) for times in (ours, theirs))
    of = f"{crowd.clusters:,} clusters"
    tell(f"{of}: DBSTREAM learnt {BATCH * len(learnt):,} in {len(model.micro_clusters):,} micro-clusters, {slow:.1f}/s")
    return [
        Measure(f"vectors learnt a second of {of}, over DBSTREAM", fast / slow, "higher", {"to reach": OVER_RIVER}),
        Measure(f"vectors learnt a second of {of}", fast, "higher", {"river's DBSTREAM": slow}),
    ]


def beside_ingest(folder: Path, library: Library, settings: Settings, tell: Tell) -> list[Measure]:
    """Restart, recall, and queries beside bare searches in the same index while the writer goes on."""
    crowd = Crowd(settings.vectors, settings.dim, settings.seed)
    queries = crowd.batch(-1 % (1 << 31), _QUERIES)
    search = SimilaritySearch(library)
    begin = _timed(lambda: search.query(queries[0]))
    recall = recall_of(library, search, queries)
    tell(f"queries are ready after {begin:.1f} s, recall {recall:.3f}")
    with _ingesting(folder, settings) as restarted:
        before = len(search)
        asked, bare = in_turns(search, queries, settings.seconds)
        search.query(queries[0])
        tell(f"{len(search) - before:,} images were stored during {len(asked):,} queries")
    measures = [
        Measure(f"recall@{_NEIGHBOURS}", recall, "higher", {"to reach": RECALL}),
        Measure("restart of the writer until it is ready, s", restarted, "lower", {"to reach": READY_S}),
        Measure("start of queries until the first answer, s", begin, "lower", {"to reach": READY_S}),
    ]
    for share in (50, 99):
        ours, theirs = _share(asked, share), _share(bare, share)
        name = f"query p{share} during ingest, over a bare search"
        measures.append(Measure(name, ours / theirs, "lower", {"to reach": OVER_FAISS}))
        measures.append(Measure(f"query p{share} during ingest, ms", ours, "lower", {"bare search": theirs}))
    return measures


def in_turns(search: SimilaritySearch, queries: NDArray[np.float32], seconds: float) -> tuple[list[float], list[float]]:
    """Seconds that queries, and bare searches in the same index, took, in turns."""
    asked: list[float] = []
    bare: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or not asked:
        vector = queries[len(asked) % len(queries)]
        bare.append(_timed(lambda vector=vector: search.bare(vector, _VOTES)))  # type: ignore[misc]
        asked.append(_timed(lambda vector=vector: search.query(vector, _VOTES)))  # type: ignore[misc]
    return asked, bare


def recall_of(library: Library, search: SimilaritySearch, queries: NDArray[np.float32]) -> float:
    """Share of the true `_NEIGHBOURS` nearest images of each query that a search finds; all are compared, in blocks."""
    scores = np.full((len(queries), _NEIGHBOURS), -np.inf, np.float32)
    ids = np.full((len(queries), _NEIGHBOURS), -1, np.int64)
    rows = library.vectors()
    while block := list(islice(rows, _EXACT_BLOCK)):
        found = queries @ np.stack([vector for _, vector in block]).T
        numbers = np.array([number for number, _ in block])
        scores = np.concatenate([scores, found], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(numbers, found.shape)], axis=1)
        best = np.argpartition(-scores, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
        scores, ids = np.take_along_axis(scores, best, 1), np.take_along_axis(ids, best, 1)
    near = [search.neighbours(query, _NEIGHBOURS)[1] for query in queries]
    return float(np.mean([len(np.intersect1d(one, other)) / _NEIGHBOURS for one, other in zip(ids, near, strict=True)]))


@contextmanager
def _ingesting(folder: Path, settings: Settings) -> Iterator[float]:
    """Another process opens the library and stores batches; gives the seconds until it was ready."""
    context = get_context("spawn")
    answers: Queue[float] = context.Queue()
    stop = context.Event()
    process = context.Process(target=_go_on, args=(folder, settings, answers, stop))
    _start(process)
    try:
        yield answers.get(timeout=_START_S)
    except Empty as error:
        raise StateError("the writer did not start again") from error
    finally:
        stop.set()
        process.join()


def _go_on(folder: Path, settings: Settings, answers: Queue[float], stop: Event) -> None:
    began = time.perf_counter()
    writer, crowd = CrowdWriter(folder, settings.dim), Crowd(settings.vectors, settings.dim, settings.seed)
    answers.put(time.perf_counter() - began)
    number = settings.batches + _MORE
    while not stop.is_set():
        writer.add(crowd.batch(number))
        number += 1
    writer.close()


def _in_a_process(work: Callable[[Given, Settings, Tell], Result], given: Given, settings: Settings) -> Result:
    context = get_context("spawn")
    answers: Queue[Result] = context.Queue()
    process = context.Process(target=_answered, args=(work, given, settings, answers))
    _start(process)
    while True:
        try:
            found = answers.get(timeout=1)
            process.join()
            return found
        except Empty as error:
            if not process.is_alive() and answers.empty():
                raise StateError("a process of the benchmark ended early") from error


def _start(process: SpawnProcess) -> None:
    """Starts a process with one thread, as Ray starts the daemon's writer."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        process.start()
    finally:
        del os.environ[_THREADS]
        os.environ |= {} if before is None else {_THREADS: before}


def _answered(
    work: Callable[[Given, Settings, Tell], Result], given: Given, settings: Settings,
    answers: Queue[Result],
) -> None:  # fmt: skip
    answers.put(work(given, settings, Console(stderr=True, soft_wrap=True).print))


def memory_mib(which: str) -> float:
    """What Linux says of this process: ``VmHWM``, its peak with the pages of mapped files, or ``RssAnon``, without."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _share(times: Sequence[float], percent: int) -> float:
    """A percentile of seconds, in milliseconds."""
    return 1000 * float(np.percentile(times, percent))
