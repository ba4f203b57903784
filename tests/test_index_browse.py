"""Pages by filter and order, against a full scan that sorts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from index import browse as module
from index.browse import Filter
from index.library import Library, open_library
from index.lists import ORDERS, Order, add_source
from index.records import ClusterRecord, Identity, ShapeRecord
from index.store import SCHEMA, Store, claim_identity
from index.summaries import Page
from index.tables import CLUSTERS, SHAPES, digest
from index.totals import write_cluster
from ops.errors import ConfigError

Records = dict[int, ClusterRecord]
SOURCES = ("/a.tar", "/b.tar")
HELD: dict[int, set[str]] = {}


def random_record(random: np.random.Generator) -> ClusterRecord:
    size = int(random.integers(0, 30))
    version = int(random.integers(0, 3))
    return ClusterRecord(
        size, int(random.integers(0, 50)), "open" if size else "retired", int(random.integers(0, 30)),
        version=version, loss=float(random.integers(0, 8)) / 8 if version else 0.0,
        at=int(random.integers(0, 40)) if version else 0, quarantined=bool(random.random() < 0.1),
        tags=tuple(tag for tag in ("chair", "sofa") if random.random() < 0.4), pinned=bool(random.random() < 0.2),
        hidden=bool(random.random() < 0.2), held=bool(random.random() < 0.1),
    )  # fmt: skip


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, Records]:
    folder = tmp_path_factory.mktemp("state")
    store = Store(folder, readonly=False, map_size_gib=0.1)
    claim_identity(store, Identity(SCHEMA, "b", "f", 8, "linkage", 0.0))
    random = np.random.default_rng(0)
    with store.write() as txn:
        for _ in range(3):  # written several times over, so that old places have to go
            for cluster in range(1, 81):
                write_cluster(txn, cluster, random_record(random))
        for cluster in range(1, 81):
            HELD[cluster] = {source for source in SOURCES if random.random() < 0.3}
            for source in HELD[cluster]:
                add_source(txn, cluster, digest(source), 3)
                add_source(txn, cluster, digest(source), -2)
        add_source(txn, 5, digest("/gone.tar"), 2)
        add_source(txn, 5, digest("/gone.tar"), -2)
        records = {key[0]: record for key, record in txn.scan(CLUSTERS)}
        for cluster, record in records.items():
            if record.version:
                txn.put(SHAPES, (cluster, record.version), _shape(cluster, record))
    store.close()
    return open_library(folder), records


def _shape(cluster: int, r: ClusterRecord) -> ShapeRecord:
    return ShapeRecord(cluster, r.version, "published", "shape", "", 3, r.loss, 1.0, 0.5, 0.5, False, 1.0)


KEYS: dict[Order, Callable[[int, ClusterRecord], Any]] = {
    "size": lambda c, r: (-r.size, c),
    "id": lambda c, r: c,
    "quality": lambda c, r: (r.loss if r.version else 9, c),
    "growth": lambda c, r: (-max(0, r.size - r.attempted_size), c),
    "age": lambda c, r: (r.born, c),
    "recent": lambda c, r: (-r.at if r.version else 1, c),
}
FILTERS: list[tuple[Filter, Callable[[int, ClusterRecord], bool]]] = [
    (Filter(), lambda c, r: not r.hidden),
    (Filter(hidden=None), lambda c, r: True),
    (Filter(hidden=True), lambda c, r: r.hidden),
    (Filter(tag="chair"), lambda c, r: "chair" in r.tags and not r.hidden),
    (Filter(tag="nothing"), lambda c, r: False),
    (Filter(pinned=True, hidden=None), lambda c, r: r.pinned),
    (Filter(pinned=False, hidden=None), lambda c, r: not r.pinned),
    (Filter(quarantined=True, hidden=None), lambda c, r: r.quarantined or r.held),
    (Filter(quarantined=False, hidden=None), lambda c, r: not (r.quarantined or r.held)),
    (Filter(source="/a.tar", hidden=None), lambda c, r: "/a.tar" in HELD[c]),
    (Filter(source="/gone.tar", hidden=None), lambda c, r: False),
    (Filter(source="/b.tar", tag="sofa", hidden=None), lambda c, r: "/b.tar" in HELD[c] and "sofa" in r.tags),
    (Filter(min_size=10, max_size=20, hidden=None), lambda c, r: 10 <= r.size <= 20),
    (Filter(max_loss=0.5, hidden=None), lambda c, r: r.version > 0 and r.loss <= 0.5),
    (Filter(min_growth=5, hidden=None), lambda c, r: r.size - r.attempted_size >= 5),
    (Filter(born_after=10, born_before=30, hidden=None), lambda c, r: 10 < r.born < 30),
]


def all_pages(page: Callable[[str | None], Page[Any]]) -> Iterator[list[int]]:
    after: str | None = None
    while True:
        found = page(after)
        yield [item.id for item in found.items]
        if (after := found.next) is None:
            return


@pytest.mark.parametrize("tested", [7, 1000])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_are_what_a_full_scan_sorts(
    state: tuple[Library, Records], monkeypatch: pytest.MonkeyPatch, order: Order, reverse: bool, tested: int
) -> None:
    library, records = state
    monkeypatch.setattr(module, "MOST_TESTED", tested)
    looked_at = 0
    for chosen, passes in FILTERS:
        for scope in ("clusters", "shapes", "retired"):
            wanted = [
                c
                for c, r in sorted(records.items(), key=lambda entry: KEYS[order](*entry), reverse=reverse)
                if passes(c, r) and r.state == ("retired" if scope == "retired" else "open")
                if scope != "shapes" or r.version
            ]

            def page(after: str | None, chosen: Filter = chosen, scope: str = scope) -> Page[Any]:
                if scope == "shapes":
                    return library.shapes(order=order, chosen=chosen, reverse=reverse, after=after, limit=5)
                retired = scope == "retired"
                return library.clusters(
                    order=order, chosen=chosen, retired=retired, reverse=reverse, after=after, limit=5
                )

            pages = list(all_pages(page))
            assert [item for each in pages for item in each] == wanted, (chosen, scope)
            assert max(map(len, pages)) <= 5
            looked_at += len(wanted)
    assert looked_at > 300


def test_a_short_page_goes_on(state: tuple[Library, Records], monkeypatch: pytest.MonkeyPatch) -> None:
    library, _ = state
    monkeypatch.setattr(module, "MOST_TESTED", 3)
    page = library.clusters(chosen=Filter(max_size=2, hidden=None), order="size", limit=5)
    assert page.items == [] and page.next is not None


def test_a_cursor_of_another_order_is_refused(state: tuple[Library, Records]) -> None:
    library, _ = state
    after = library.clusters(order="size", limit=2).next
    for arguments in ({"order": "age"}, {"order": "size", "reverse": True}, {"order": "size", "retired": True}):
        with pytest.raises(ConfigError, match="another order"):
            library.clusters(after=after, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_limit_out_of_range_is_refused(state: tuple[Library, Records], limit: int) -> None:
    with pytest.raises(ConfigError, match="limit must be"):
        state[0].shapes(limit=limit)
