"""The newest vectors: compared as they are, taken in by the index when there are many, left out once deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index import tail as module
from index.codec import encode_vector
from index.store import Store
from index.tables import VECTORS
from index.tail import Tail
from index.vectors import VectorIndex


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path, readonly=False, map_size_gib=0.1)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 6)


def put(store: Store, ids: range) -> None:
    with store.write() as txn:
        for number in ids:
            txn.put(VECTORS, number, encode_vector(np.eye(16, dtype=np.float32)[number % 16]))


def test_new_vectors_wait_until_there_are_many(store: Store) -> None:
    index, tail = VectorIndex(16), Tail(16)
    put(store, range(3))
    tail.follow(index, store)
    put(store, range(3, 5))
    tail.follow(index, store)
    assert (len(index), len(tail), tail.last) == (0, 5, 4)
    scores, ids = tail.scores(np.eye(16, dtype=np.float32)[3])
    assert ids == [0, 1, 2, 3, 4] and scores.tolist() == [0, 0, 0, 1, 0]
    put(store, range(5, 15))
    tail.follow(index, store)
    assert (len(index), len(tail), index.last_id) == (15, 0, 14), "those that waited, and all the others"
    put(store, range(15, 16))
    tail.follow(index, store)
    assert (len(index), tail.scores(np.ones(16, np.float32))[1]) == (15, [15])


def test_what_was_deleted_is_left_out_and_not_read_again(store: Store) -> None:
    index, tail = VectorIndex(16), Tail(16)
    put(store, range(4))
    tail.follow(index, store)
    tail.remove(np.array([1, 3, 99]))
    assert tail.scores(np.ones(16, np.float32))[1] == [0, 2] and tail.last == 3
    tail.follow(index, store)
    assert tail.scores(np.ones(16, np.float32))[1] == [0, 2]


def test_a_tail_begins_behind_what_an_index_has(store: Store) -> None:
    index, tail = VectorIndex(16), Tail(16)
    put(store, range(4))
    index.add(np.arange(2), np.eye(16, dtype=np.float32)[:2])
    tail.follow(index, store)
    assert tail.scores(np.ones(16, np.float32))[1] == [2, 3]
    assert len(index) == 2
