"""Sums of micro-clusters as the store keeps them: of several images apart, of one its own vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.clustering import unit_rows
from index.codec import decode_vector, encode_vector
from index.records import OUTLIER, Identity, MicroRecord
from index.store import SCHEMA, Store, claim_identity
from index.sums import StoredSums, put_sum
from index.tables import MICRO_SAMPLES, MICRO_SUMS, VECTORS
from ops.errors import StateError

DIM = 24
ROWS = np.random.default_rng(0).normal(size=(40, DIM)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path, readonly=False, map_size_gib=0.01)
    claim_identity(made, Identity(SCHEMA, "b", "f", DIM, "linkage", 0.0))
    with made.write() as txn:
        for image, row in enumerate(ROWS):
            txn.put(VECTORS, image, encode_vector(row))
            if image != 7:  # micro-cluster 7 is empty
                txn.put(MICRO_SAMPLES, (image, image), b"")
    return made


def test_of_single_images_they_are_bit_for_bit_what_is_learnt_of_them(store: Store) -> None:
    sums, stored = StoredSums(DIM), np.stack([decode_vector(encode_vector(row)) for row in ROWS])
    total = (np.arange(DIM) / 3).astype("<f4")
    with store.write() as txn:
        put_sum(txn, MicroRecord(3, 2, OUTLIER, revision=1), total.tobytes())
        with sums.within(txn):
            wanted = [3, 9, 0, 7, 39, 9]
            found = sums(np.array(wanted))
    alone = {micro: unit_rows(stored[micro][None])[0] for micro in wanted} | {3: total, 7: np.zeros(DIM, np.float32)}
    assert found.tobytes() == np.stack([alone[micro] for micro in wanted]).astype(np.float32).tobytes()
    assert np.array_equal(found[1], unit_rows(stored)[9])
    store.close()


def test_a_sum_goes_when_one_image_is_left(store: Store) -> None:
    with store.write() as txn:
        put_sum(txn, MicroRecord(3, 2, OUTLIER, revision=1), bytes(4 * DIM))
        assert txn.get(MICRO_SUMS, 3) == bytes(4 * DIM)
        put_sum(txn, MicroRecord(3, 1, OUTLIER, revision=2), bytes(4 * DIM))
        put_sum(txn, MicroRecord(4, 1, OUTLIER), bytes(4 * DIM))
        assert txn.count(MICRO_SUMS) == 0
    store.close()


@pytest.mark.parametrize("damage", ["vector", "length", "sum"])
def test_what_is_missing_is_told(store: Store, damage: str) -> None:
    sums = StoredSums(DIM)
    with store.write() as txn, sums.within(txn):
        if damage == "vector":
            txn.delete(VECTORS, 5)
        elif damage == "length":
            txn.put(VECTORS, 5, b"1234")
        else:
            txn.put(MICRO_SUMS, 5, b"1234")
        with pytest.raises(StateError, match="restore a backup"):
            sums(np.array([4, 5]))
    with pytest.raises(StateError, match="outside of a transaction"):
        sums(np.array([4]))
    store.close()
