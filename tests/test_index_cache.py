from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.cache import VectorCache
from index.store import Store
from tests.batches import DIM, open_ingest, stream


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
