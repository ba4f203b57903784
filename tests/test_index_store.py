from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from index.layout import STORE
from index.records import Counters, Identity, ShardRecord
from index.store import SCHEMA, Store, claim_identity
from index.tables import CLUSTER_MICROS, COUNTERS, LINEAGE, SHARDS, VECTORS, digest
from ops.errors import FingerprintError, StateError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    yield store
    store.close()


def identity(**changes: object) -> Identity:
    values = {
        "schema": SCHEMA,
        "backbone": "b",
        "fingerprint": "f",
        "dim": 3,
        "clusterer": "c",
        "created": 0.0,
    }
    return Identity(**{**values, **changes})  # type: ignore[arg-type]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.write() as txn:
        txn.put(SHARDS, digest("a"), ShardRecord("a", 5))
        txn.put_only(COUNTERS, Counters(stored=5))
        raise RuntimeError
    with store.read() as txn:
        assert txn.get(SHARDS, digest("a")) is None and txn.counters() == Counters()


def test_records_come_back_as_they_were(store: Store) -> None:
    record = ShardRecord("x" * 3000, 7, True, 123, 5, 2)
    with store.write() as txn:
        txn.put(SHARDS, digest(record.url), record)
    with store.read() as txn:
        assert txn.get(SHARDS, digest(record.url)) == record
        assert list(txn.values(SHARDS)) == [record]


def test_scan_is_in_numeric_order_both_ways(store: Store) -> None:
    numbers = [0, 1, 255, 256, 70_000, 2**40]
    with store.write() as txn:
        for number in reversed(numbers):
            txn.put(VECTORS, number, b"")
        assert [key[0] for key, _ in txn.scan(VECTORS)] == numbers
        assert [key[0] for key, _ in txn.scan(VECTORS, reverse=True)] == numbers[::-1]
        assert [key[0] for key, _ in txn.scan(VECTORS, start=256)] == numbers[3:]
        assert [key[0] for key, _ in txn.scan(VECTORS, start=256, reverse=True)] == numbers[3::-1]


def test_a_prefix_is_one_range(store: Store) -> None:
    with store.write() as txn:
        for pair in [(1, 9), (2, 0), (2, 300), (3, 1)]:
            txn.put(CLUSTER_MICROS, pair, b"")
        assert [key for key, _ in txn.scan(CLUSTER_MICROS, prefix=2)] == [(2, 0), (2, 300)]
        assert [key for key, _ in txn.scan(CLUSTER_MICROS, prefix=2, start=1)] == [(2, 300)]
        assert txn.last_key(CLUSTER_MICROS, prefix=2) == (2, 300)
        assert txn.last_key(CLUSTER_MICROS, prefix=9) is None
        assert txn.last_key(LINEAGE) is None


def test_a_reader_sees_one_state_while_the_writer_goes_on(store: Store, tmp_path: Path) -> None:
    with store.write() as txn:
        txn.put(VECTORS, 1, b"a")
    with store.read() as snapshot:
        with store.write() as txn:
            txn.put(VECTORS, 2, b"b")
        assert snapshot.count(VECTORS) == 1
    with store.read() as txn:
        assert txn.count(VECTORS) == 2


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no Shapelode state directory"):
        Store(tmp_path / "none", readonly=True)
    assert not (tmp_path / "none").exists()


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lmdb").mkdir()
    (tmp_path / "lmdb" / "data.mdb").write_bytes(b"garbage" * 4096)
    with pytest.raises(StateError, match="cannot open"):
        Store(tmp_path, readonly=True)


def test_a_reader_that_comes_before_the_first_transaction_is_told(tmp_path: Path) -> None:
    (tmp_path / STORE).mkdir()
    lmdb.open(str(tmp_path / STORE), max_dbs=1).close()
    with pytest.raises(StateError, match="is empty; `shapelode run` has not started"):
        Store(tmp_path, readonly=True)
    made = Store(tmp_path, readonly=False, map_size_gib=0.25)  # who writes goes on from there
    made.close()
    Store(tmp_path, readonly=True).close()


def test_identity_is_claimed_once_and_then_checked(store: Store) -> None:
    claim_identity(store, identity())
    assert claim_identity(store, identity(created=9.0)).created == 0.0
    with pytest.raises(FingerprintError, match="was made with backbone b"):
        claim_identity(store, identity(fingerprint="other"))
    with pytest.raises(StateError, match="clustered by"):
        claim_identity(store, identity(clusterer="other"))


def test_many_entries_are_read_at_once_in_the_order_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        for number in (0, 3, 4, 300):
            txn.put(VECTORS, number, b"%d" % number)
    with store.read() as txn:
        assert txn.many(VECTORS, [300, 1, 0, 4]) == [(300, b"300"), (0, b"0"), (4, b"4")]
        assert txn.many(VECTORS, []) == []
    store.close()
