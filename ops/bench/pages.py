"""How long a page of a list takes, over HTTP, in a library of made-up records, beside a scan of all of them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
import numpy as np

from index.changes import Change, record_changes
from index.lists import add_source
from index.records import ClusterRecord, Identity, LineageRecord, RejectRecord, ShapeRecord
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import (
    CHANGES,
    CLUSTER_LINEAGE,
    CLUSTERS,
    LINEAGE,
    REASONS,
    REJECTS,
    SHAPES,
    Table,
    digest,
)
from index.totals import add_counts, count_rejects, write_cluster
from ops.bench.report import Measure, Report
from ops.errors import StateError

_CHUNK = 2000
_SOURCES = 200
_TAGS = ("chair", "sofa", "table", "lamp", "rare")
_REASONS = ("too_small", "broken_image", "no_foreground", "duplicate_image", "forbidden_url")
_MAP_GIB = 16.0
_TARGET_MS = 50.0
_SCANS = 3
Row = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """One list as a client asks for it, and as a scan of a table would answer.

    Attributes:
        name: what is asked for.
        path: of the API.
        params: of the API.
        table: which records a scan goes through.
        passes: whether a record is wanted.
        rank: what wanted records are sorted by.
    """

    name: str
    path: str
    params: dict[str, Any]
    table: str
    passes: Callable[[Any], bool]
    rank: Callable[[Row], Any]


def _shapes(
    name: str, rank: Callable[[Row], Any], passes: Callable[[Any], bool] = lambda r: True, **params: Any
) -> Query:
    return Query(f"shapes {name}", "/v1/shapes", params, "clusters", passes, rank)


QUERIES: tuple[Query, ...] = (
    _shapes("by size", lambda row: (-row[1].size, row[0])),
    _shapes("by quality", lambda row: (row[1].loss, row[0]), order="quality"),
    _shapes("by growth", lambda row: (row[1].attempted_size - row[1].size, row[0]), order="growth"),
    _shapes("by age, youngest first", lambda row: (-row[1].born, -row[0]), order="age", reverse=True),
    _shapes("with a common tag by quality", lambda row: row[1].loss, lambda r: "chair" in r.tags, order="quality",
            tag="chair"),
    _shapes("with a rare tag by quality", lambda row: row[1].loss, lambda r: "rare" in r.tags, order="quality",
            tag="rare"),
    _shapes("of a source by size", lambda row: -row[1].size, lambda r: True, source="/crawl/00007.tar"),
    _shapes("pinned, latest first", lambda row: -row[1].at, lambda r: r.pinned, order="recent", pinned=True),
    _shapes("of 40 images and more by quality", lambda row: row[1].loss, lambda r: r.size >= 40, order="quality",
            min_size=40),
    _shapes("of a loss that none has", lambda row: -row[1].size, lambda r: r.loss < 0.001, max_loss=0.001),
    Query("rejects of a rare reason", "/v1/rejects", {"reason": "forbidden_url"}, "rejects",
          lambda r: r.reason == "forbidden_url", lambda row: row[0]),
    Query("lineage of a cluster", "/v1/lineage", {"cluster": 77}, "lineage",
          lambda r: r.cluster == 77 or 77 in r.others, lambda row: row[0]),
    Query("changes", "/v1/changes", {}, "changes", lambda r: True, lambda row: row[0]),
)  # fmt: skip
_TABLES: dict[str, Table[Any]] = {"clusters": CLUSTERS, "rejects": REJECTS, "lineage": LINEAGE, "changes": CHANGES}


def run(shapes: int, pages: int, limit: int, tell: Callable[[str], None]) -> Report:
    """Builds a library and asks it for pages.

    Args:
        shapes: shapes in it, and as many rejects.
        pages: pages of each list, one after the other from its start; lists that end before are read again.
        limit: items a page.
        tell: told of progress.
    """
    with TemporaryDirectory(prefix="shapelode-pages-") as folder:
        began = time.perf_counter()
        build(Path(folder), shapes, tell)
        seconds = time.perf_counter() - began
        scans = _scan_all(Path(folder), limit, tell)
        measures: list[Measure] = []
        with serving(Path(folder)) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            worst = 0.0
            for query in QUERIES:
                times = _pages(client, query, pages, limit)
                p50, p99 = (float(np.percentile(times, share)) for share in (50, 99))
                worst = max(worst, p99)
                measures.append(Measure(f"{query.name}, p50 ms", p50, "lower", {"full scan": scans[query.name]}))
                measures.append(Measure(f"{query.name}, p99 ms", p99, "lower", {"full scan": scans[query.name]}))
                tell(f"{query.name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, a scan takes {scans[query.name]:.0f} ms")
        measures.append(Measure("worst p99, ms", worst, "lower", {"to reach": _TARGET_MS}))
    facts: dict[str, str | int | float] = {
        "shapes": shapes, "pages of each list": pages, "items a page": limit, "seconds to build": round(seconds, 1),
        "full scan": "in process, without HTTP",
    }  # fmt: skip
    return Report("pages of lists, over HTTP", measures, facts)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`shapelode serve` on a state directory, in a process of its own.

    Yields:
        Its address.

    Raises:
        StateError: it did not start.
    """
    command = [sys.executable, "-m", "daemon.cli", "serve", "--state", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r" on (http://\S+),", server.stdout.readline())
            if found is None:
                raise StateError("`shapelode serve` did not start")
            yield found.group(1)
        finally:
            server.send_signal(signal.SIGINT)


def build(folder: Path, shapes: int, tell: Callable[[str], None] = lambda line: None) -> None:
    """Writes a library of so many shapes and rejects, without images."""
    store = Store(folder, readonly=False, map_size_gib=_MAP_GIB)
    try:
        claim_identity(store, Identity(SCHEMA, "made up", "f", 8, "linkage", 0.0))
        random = np.random.default_rng(0)
        for start in range(0, shapes, _CHUNK):
            draws = random.random((min(_CHUNK, shapes - start), 8))

            def work(txn: Transaction, start: int = start, draws: Any = draws) -> None:
                _write(txn, start, draws)

            store.transact(work)
            if start // _CHUNK % 10 == 0:
                tell(f"building: {start:,} of {shapes:,} shapes")
    finally:
        store.close()


def _write(txn: Transaction, start: int, draws: Any) -> None:
    for cluster, draw in enumerate(draws.tolist(), start + 1):
        write_cluster(txn, cluster, _cluster(draw))
        txn.put(SHAPES, (cluster, 1), _shape(cluster, draw))
        for source in {int(draw[5] * _SOURCES), int(draw[6] * _SOURCES)}:
            add_source(txn, cluster, digest(f"/crawl/{source:05d}.tar"), 3)
        txn.put(LINEAGE, cluster - 1, LineageRecord("created", cluster, (), cluster, 0.0))
        txn.put(CLUSTER_LINEAGE, (cluster, cluster - 1), b"")
        reason = "forbidden_url" if draw[7] < 0.001 else _REASONS[int(draw[7] * 4)]
        txn.put(REJECTS, cluster, RejectRecord("/crawl/00000.tar", f"{cluster}", reason, "made up", 0.0))
        txn.put(REASONS, (digest(reason), cluster), b"")
        count_rejects(txn, [reason])
    add_counts(txn, next_lineage=len(draws), next_reject=len(draws), next_sample=20 * len(draws))
    record_changes(txn, (Change("published", start + 1 + n, version=1) for n in range(len(draws))))


def _cluster(draw: list[float]) -> ClusterRecord:
    size = 16 + int(40 * draw[0] ** 4)
    tags = tuple(sorted({_TAGS[int(draw[1] * 4)], *(["rare"] if draw[2] < 0.001 else [])}))
    return ClusterRecord(
        size=size, born=int(draw[3] * 10**6), attempted_size=int(size * draw[4]), attempts=1, verdict="shape",
        version=1, loss=0.01 + 0.9 * draw[2], at=int(draw[3] * 10**6), tags=tags, pinned=draw[4] < 0.002,
    )  # fmt: skip


def _shape(cluster: int, draw: list[float]) -> ShapeRecord:
    return ShapeRecord(
        cluster, 1, "published", "shape", "made up", 16, 0.01 + 0.9 * draw[2], 1.0, 0.8, 0.2, False, 30.0, 5000, 10000,
        int(draw[3] * 10**6), 0.0, 1, 16,
    )  # fmt: skip


def _scan_all(folder: Path, limit: int, tell: Callable[[str], None]) -> dict[str, float]:
    store = Store(folder, readonly=True)
    try:
        found = {}
        for query in QUERIES:
            tell(f"full scan: {query.name}")
            times = [_timed(partial(_scan, store, query, limit)) for _ in range(_SCANS)]
            found[query.name] = float(np.median(times))
        return found
    finally:
        store.close()


def _scan(store: Store, query: Query, limit: int) -> bytes:
    with store.read() as txn:
        rows = [(key[0], record) for key, record in txn.scan(_TABLES[query.table]) if query.passes(record)]
        page = sorted(rows, key=query.rank)[:limit]
        if query.table == "clusters":
            return msgspec.json.encode([txn.get(SHAPES, (cluster, 1)) for cluster, _ in page])
    return msgspec.json.encode([record for _, record in page])


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds that work takes."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _pages(client: httpx.Client, query: Query, pages: int, limit: int) -> list[float]:
    client.get(query.path, params={**query.params, "limit": 1}).raise_for_status()
    return list(islice(_times(client, query, limit), pages))


def _times(client: httpx.Client, query: Query, limit: int) -> Iterator[float]:
    after: str | None = None
    while True:
        params = {**query.params, "limit": limit, **({"after": after} if after else {})}
        began = time.perf_counter()
        response = client.get(query.path, params=params)
        yield 1000 * (time.perf_counter() - began)
        after = response.raise_for_status().json()["next"]
