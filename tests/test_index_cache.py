from __future__ import annotations

from itertools import groupby
from pathlib import Path

import faiss
import numpy as np
import pytest

from index.cache import FILE, VectorCache
from index.curation import ImageEdit
from index.ingest import Ingest
from index.kinds import Sizes
from index.store import Store
from index.vectors import VectorIndex
from ops.fsck import check_state
from tests.batches import DIM, open_ingest, stream, view


def test_recall_is_one_while_the_index_is_in_step_and_falls_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest = open_ingest(tmp_path)
    assert ingest.commit(stream("/a.tar", 64, 64)[0]).index_recall == 1.0
    ingest.close()
    store = Store(tmp_path, readonly=True)
    cache = VectorCache(tmp_path, "f" * 8, DIM, store)
    assert cache.recall == 1.0
    cache._index.remove(np.arange(32))  # what a wrong index would look like
    assert cache.probe() == 0.5
    store.close()


def test_an_empty_store_misses_nothing(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.close()
    store = Store(tmp_path, readonly=True)
    assert VectorCache(tmp_path, "f" * 8, DIM, store).recall == 1.0
    store.close()


SIZES = Sizes(ivf=100, sq=250)


def stored_under(folder: Path, sizes: Sizes, count: int, start: int = 0) -> Ingest:
    """A writer whose library has grown by images, batch by batch."""
    ingest = open_ingest(folder, sizes=sizes, index_every=4)
    for one in stream(f"/{start}.tar", count, 8, seed=start):
        ingest.commit(one)
    return ingest


def test_the_type_follows_the_size_while_images_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.cache._STEP", 64)
    ingest = open_ingest(tmp_path, sizes=SIZES, index_every=4)
    kinds = []
    for one in stream("/a.tar", 480, 8):
        report = ingest.commit(one)
        kinds.append(ingest._cache.kind)
        assert report.index_vectors == report.total_images  # it is in step in the middle of a change as well
        assert report.index_recall == 1.0
    assert [kind for kind, _ in groupby(kinds)] == ["flat", "ivf", "sq"]
    assert 13 < kinds.index("ivf") < 31 < kinds.index("sq") < 58  # in steps, not at once
    ingest.close()
    assert check_state(tmp_path).findings == []
    again = open_ingest(tmp_path, sizes=SIZES)
    assert again._cache.kind == "sq" and len(again._cache) == 480
    again.close()


@pytest.mark.parametrize(("sizes", "kind"), [(Sizes(500, 600), "flat"), (Sizes(50, 600), "ivf"), (Sizes(50, 90), "sq")])
@pytest.mark.parametrize("damage", ["missing", "damaged", "stale"])
def test_what_cannot_be_trusted_is_rebuilt(tmp_path: Path, sizes: Sizes, kind: str, damage: str) -> None:
    stored_under(tmp_path, sizes, 96).close()
    file = tmp_path / FILE
    before = file.read_bytes()
    stored_under(tmp_path, sizes, 32, start=200).close()
    {
        "missing": file.unlink,
        "damaged": lambda: file.write_bytes(before[:-1] + b"?"),
        "stale": lambda: file.write_bytes(before),
    }[damage]()
    if damage == "stale":  # it is caught up as it is; the next batch begins to replace it
        kind = VectorIndex.load(file, fingerprint="f" * 8).kind
    store = Store(tmp_path, readonly=True)
    cache = VectorCache(tmp_path, "f" * 8, DIM, store, sizes)
    assert (len(cache), cache.recall, cache.kind) == (128, 1.0, kind)
    assert cache.save()
    store.close()
    assert check_state(tmp_path).findings == []


def test_images_that_are_deleted_while_an_index_is_made_are_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.cache._STEP", 16)
    ingest = stored_under(tmp_path, Sizes(ivf=90, sq=1000), 96)
    while ingest._cache._regrowth is None or not len(ingest._cache._regrowth._index):
        ingest.commit(stream(f"/{len(ingest._cache)}.tar", 4, 4, seed=len(ingest._cache))[0])
    ingest.edit(ImageEdit((3, 7), "delete"))
    while ingest._cache._regrowth is not None:
        ingest.commit(stream(f"/{len(ingest._cache)}.tar", 4, 4, seed=1000 + len(ingest._cache))[0])
    assert ingest._cache.kind == "ivf" and 3 not in ingest._cache._index
    ingest.close()
    assert check_state(tmp_path).findings == []


def test_an_index_is_trained_anew_once_what_arrives_has_drifted_away(tmp_path: Path) -> None:
    ingest = stored_under(tmp_path, Sizes(ivf=100, sq=1000), 200)
    cache = ingest._cache
    trained = cache._index.trained
    assert cache.kind == "ivf" and not cache._drifted
    lists = faiss.extract_index_ivf(cache._index._index)
    for number in range(400):  # batches that fit as badly as what is stored does not
        vector = view(number % 4).descriptor[None]
        cache._notice(1 - float(lists.quantizer.search(vector if number < 200 else -vector, 1)[0].mean()))
    assert cache._drifted
    for one in stream("/z.tar", 160, 8, seed=500):
        ingest.commit(one)
    assert cache._index.trained > trained and not cache._drifted
    ingest.close()
    assert check_state(tmp_path).findings == []


def test_the_file_is_written_when_enough_is_new(tmp_path: Path) -> None:
    ingest = stored_under(tmp_path, Sizes(), 200)
    cache, file = ingest._cache, tmp_path / FILE
    assert cache.save()
    written = file.stat().st_mtime_ns
    ingest.commit(stream("/b.tar", 2, 2, seed=900)[0])
    assert cache.save_if_due() and file.stat().st_mtime_ns == written
    cache._index.remove(np.arange(32))
    assert cache.save_if_due() and file.stat().st_mtime_ns == written and cache.recall < 1  # it is probed all the same
    cache._index = cache._caught_up(cache._index, 202)
    ingest.commit(stream("/c.tar", 16, 16, seed=910)[0])
    assert cache.save_if_due() and file.stat().st_mtime_ns > written
    ingest.close()
