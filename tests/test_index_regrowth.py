"""A new index beside the one in use: in steps, of all that is stored, without what is deleted meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.codec import encode_vector
from index.kinds import Kind
from index.regrowth import Regrowth, add_chunk, catch_up
from index.store import Store
from index.tables import VECTORS
from index.vectors import VectorIndex


def put(store: Store, numbers: range) -> None:
    with store.write() as txn:
        for number in numbers:
            row = np.random.default_rng(number).normal(size=12)
            txn.put(VECTORS, number, encode_vector((row / np.linalg.norm(row)).astype(np.float32)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path, readonly=False, map_size_gib=0.1)
    put(found, range(300))
    yield found
    found.close()


@pytest.mark.parametrize("kind", ["flat", "ivf", "sq"])
def test_what_is_stored_and_deleted_meanwhile_is_taken_into_account(store: Store, kind: Kind) -> None:
    regrowth = Regrowth(store, 12, kind, 40)
    steps = 0
    while (index := regrowth.step()) is None:
        steps += 1
        if steps == 3:
            put(store, range(300, 350))
        if len(regrowth._index) == 80:
            with store.write() as txn:
                assert txn.delete(VECTORS, 5) and txn.delete(VECTORS, 280)
            regrowth.remove(np.array([5, 280]))
    assert steps >= 8 and (index.kind, len(index), index.last_id) == (kind, 348, 349)
    assert 5 not in index and 280 not in index and (index.trained > 0) == (kind != "flat")


def test_catching_up_reads_what_lies_behind_in_chunks(store: Store) -> None:
    index = VectorIndex(12)
    assert add_chunk(index, store, 200) and len(index) == 200
    assert not add_chunk(index, store, 200) and len(index) == 300
    put(store, range(300, 310))
    catch_up(index, store)
    assert len(index) == 310 and not add_chunk(index, store, 200)
