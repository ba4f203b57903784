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
from dataclasses import dataclass, replace
from itertools import islice
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
from index.search import SimilaritySearch
from ops.bench import crowd_fill
from ops.bench.crowd import BATCH, OF_A_CLUSTER, Crowd
from ops.bench.crowd_fill import MORE, SMALL, WINDOW, Filled, claim
from ops.bench.crowd_writer import CrowdWriter
from ops.bench.report import Measure, Report
from ops.errors import StateError

RATIO, OVER_RIVER, RECALL, READY_S, OVER_FAISS, KEPT = 1.5, 100.0, 0.95, 60.0, 2.0, 0.99
_NEIGHBOURS, _QUERIES = 10, 200
_VOTES = 50
_THREADED = "bare search with FAISS's threads"
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


def run(settings: Settings, keep: Path | None = None, tell: Tell = lambda line: None) -> Report:
    """Fills a library, restarts its writer and asks queries while it goes on.

    Args:
        settings: how much of what.
        keep: folder for the library, to be kept, or with what an earlier run has made of it; a temporary one if None.
        tell: told of progress.

    Raises:
        StateError: the folder holds anything else, or a process of the benchmark failed.
    """
    if keep is not None:
        claim(keep, {"vectors": settings.vectors, "dim": settings.dim, "seed": settings.seed})
    few = _CLUSTERS_OF_RIVER * OF_A_CLUSTER
    streams = sorted({few, settings.vectors})
    rates = [rate for images in streams for rate in _in_a_process(beside_river, images, settings)]
    with TemporaryDirectory(prefix="shapelode-scale-") as spare:
        folder = keep or Path(spare)
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
        return _in_a_process(fill, Path(folder), replace(settings, vectors=SMALL + BATCH * WINDOW // 2))


def inserts(filled: Filled, young: Filled) -> list[Measure]:
    """What an insert takes in a large library, in a small one, and in the large one when it was as small.

    Then hardly any of its images was in a cluster, so that there was less to write.
    """
    name = f"insert p50 over that of a library of {SMALL:,}"
    many, few = (_share(times, 50) for times in (filled.full, young.full))
    busy = float(np.median(filled.full_busy) / np.median(young.full_busy))
    others = {f"library of {SMALL:,}": young.full} | ({f"stream at {SMALL:,}": filled.small} if filled.small else {})
    measures = [
        Measure(name, many / few, "lower", {"to reach": RATIO}),
        Measure(f"{name}, of processor time", busy, "lower", {"to reach": RATIO}),
    ]
    if filled.small:
        early = f"insert p50 over that when the stream was at {SMALL:,}"
        measures.append(Measure(early, many / _share(filled.small, 50), "lower", {"to reach": RATIO}))
    for share in (50, 99):
        beside = {name: _share(times, share) for name, times in others.items()}
        measures.append(Measure(f"insert p{share}, ms", _share(filled.full, share), "lower", beside))
    means = {name: 1000 * float(np.mean(times)) for name, times in others.items()}
    return [*measures, Measure("insert mean, ms", 1000 * float(np.mean(filled.full)), "lower", means)]


def stays(filled: Filled) -> list[Measure]:
    """Whether members keep their cluster while more come."""
    others = {"to reach": KEPT, f"at {SMALL:,}": filled.kept_small}
    return [Measure(f"members that keep their cluster, {MORE * BATCH:,} inserts", filled.kept, "higher", others)]


def fill(folder: Path, settings: Settings, tell: Tell) -> Filled:
    """Stores all descriptors that the folder lacks."""
    return crowd_fill.fill(folder, settings.vectors, Crowd(settings.vectors, settings.dim, settings.seed), tell)


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
        asked, bare, threads = in_turns(search, queries, settings.seconds)
        search.query(queries[0])
        tell(f"{len(search) - before:,} images were stored during {len(asked):,} queries")
    measures = [
        Measure(f"recall@{_NEIGHBOURS}", recall, "higher", {"to reach": RECALL}),
        Measure("restart of the writer until it is ready, s", restarted, "lower", {"to reach": READY_S}),
        Measure("start of queries until the first answer, s", begin, "lower", {"to reach": READY_S}),
    ]
    for share in (50, 99):
        ours, theirs = _share(asked, share), {"bare search": _share(bare, share), _THREADED: _share(threads, share)}
        for rival, its in theirs.items():
            name = f"query p{share} during ingest, over a {rival}"
            measures.append(Measure(name, ours / its, "lower", {"to reach": OVER_FAISS}))
        measures.append(Measure(f"query p{share} during ingest, ms", ours, "lower", theirs))
    return measures


def in_turns(
    search: SimilaritySearch, queries: NDArray[np.float32], seconds: float
) -> tuple[list[float], list[float], list[float]]:
    """Seconds that queries took, and bare searches in the same index with one thread and with FAISS's, in turns."""
    asked: list[float] = []
    bare: list[float] = []
    threads: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or not asked:
        vector = queries[len(asked) % len(queries)]
        bare.append(_timed(lambda vector=vector: search.bare(vector, _VOTES)))  # type: ignore[misc]
        threads.append(_timed(lambda vector=vector: search.bare(vector, _VOTES, one=False)))  # type: ignore[misc]
        asked.append(_timed(lambda vector=vector: search.query(vector, _VOTES)))  # type: ignore[misc]
    return asked, bare, threads


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
    while not stop.is_set():
        writer.add(crowd.batch(writer.images // BATCH))
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


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _share(times: Sequence[float], percent: int) -> float:
    """A percentile of seconds, in milliseconds."""
    return 1000 * float(np.percentile(times, percent))
