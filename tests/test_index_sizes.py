"""What the store's bytes are for."""

from __future__ import annotations

from pathlib import Path

from index.library import open_library
from index.schedule import Policy
from index.sizes import store_sizes
from index.store import Store
from index.tables import ARTIFACTS, CLUSTERER, CROPS
from tests.batches import batch, open_ingest, sample
from tests.library_factory import make_library

KIB = 1024


def test_bytes_are_told_by_what_they_hold(tmp_path: Path) -> None:
    store = Store(tmp_path, readonly=False, map_size_gib=1.0)
    before = store_sizes(store)
    with store.write() as txn:
        txn.put(CROPS, 1, b"x" * 100 * KIB)
        txn.put(ARTIFACTS, (1, 1, "mesh"), b"x" * 200 * KIB)
        txn.put(CLUSTERER, "space", b"x" * 40 * KIB)
    after = store_sizes(store)
    grown = [getattr(after, of) - getattr(before, of) for of in ("images", "shapes", "clusterer")]
    for size, wanted in zip(grown, (100, 200, 40), strict=True):
        assert wanted * KIB <= size <= (wanted + 16) * KIB
    assert after.used == store.size_bytes() and after.limit >= after.map >= after.used
    assert after.limit == KIB**3
    store.close()


def test_what_is_deleted_is_free_to_be_written_to(tmp_path: Path) -> None:
    store = Store(tmp_path, readonly=False)
    with store.write() as txn:
        txn.put(CROPS, 1, b"x" * 100 * KIB)
    full = store_sizes(store)
    with store.write() as txn:
        txn.delete(CROPS, 1)
    empty = store_sizes(store)
    assert empty.free >= full.free + 90 * KIB and empty.images <= full.images - 90 * KIB
    store.close()


def test_versions_count_as_shapes_and_the_schedule_tells(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path / "new")
    report = ingest.commit(batch("/a.tar", [sample(i) for i in range(5)]))
    assert report.store.images > 0 and ingest.due(Policy(12, 1.5, 3, 80, 1.0)).store == report.store
    none = report.store.shapes
    ingest.close()
    make_library(tmp_path / "made")
    library = open_library(tmp_path / "made")
    assert store_sizes(library._store).shapes > none
    library.close()
