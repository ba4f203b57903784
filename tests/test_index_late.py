"""Tables whose changes are gathered read as if each change had been applied at once."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import store as store_module
from index.library import Library
from index.lists import list_of, walk
from index.records import ClusterRecord, Identity
from index.store import SCHEMA, Store, Transaction, claim_identity
from index.tables import CLUSTER_MICROS, CLUSTERS, LABELS, LATE, LISTS, MICROS
from ops.errors import StorageError
from ops.fsck import check_state
from ops.fsck.raw import RawState
from tests.batches import open_ingest, stream
from tests.old_store import contents

KEYS = st.tuples(st.integers(0, 3), st.integers(0, 5))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=3)),
        st.tuples(st.just("delete"), KEYS, st.just(b"")),
        st.tuples(st.just("apply"), st.just((0, 0)), st.just(b"")),
    ),
    max_size=40,
)


Step = tuple[str, tuple[int, int], bytes]


def opened(folder: Path) -> Store:
    store = Store(folder, readonly=False, map_size_gib=0.01)
    claim_identity(store, Identity(SCHEMA, "b", "f", 4, "linkage", 0.0))
    return store


def same(txn: Transaction, model: dict[tuple[int, int], bytes]) -> None:
    wanted = sorted(model.items())
    for first in range(-1, 5):
        prefix = None if first < 0 else first
        inside = [(key, raw) for key, raw in wanted if prefix is None or key[0] == prefix]
        assert list(txn.scan(LABELS, prefix=prefix)) == inside
        assert list(txn.scan(LABELS, prefix=prefix, reverse=True)) == inside[::-1]
        if prefix is None:
            continue
        for edge in range(1, 6):
            assert list(txn.scan(LABELS, prefix=prefix, start=edge)) == [e for e in inside if e[0][1] >= edge]
            down = list(txn.scan(LABELS, prefix=prefix, start=edge, reverse=True))
            assert down == [e for e in inside if e[0][1] <= edge][::-1]
            rest = [struct.pack(">Q", key[1]) for key, _ in inside]
            bound = struct.pack(">Q", edge)
            assert list(txn.keys(LABELS, prefix, after=edge)) == [r for r in rest if r > bound]
            assert list(txn.keys(LABELS, prefix, after=edge, reverse=True)) == [r for r in rest if r < bound][::-1]
        assert list(txn.keys(LABELS, prefix)) == rest and list(txn.keys(LABELS, prefix, reverse=True)) == rest[::-1]
    assert all(txn.get(LABELS, (one, two)) == model.get((one, two)) for one in range(4) for two in range(6))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STEPS)
def test_they_read_as_a_plain_table(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    folder = tmp_path_factory.mktemp("late")
    store, model = opened(folder), dict[tuple[int, int], bytes]()
    for step, key, value in steps:
        with store.write() as txn:
            if step == "put":
                txn.put(LABELS, key, value)
                txn.put(LISTS, key, b"")  # another table's changes lie beside them
                model[key] = value
            elif step == "delete":
                assert txn.delete(LABELS, key) == (model.pop(key, None) is not None)
            else:
                txn.apply_late()
                assert txn.count(LATE) == 0
    with store.read() as txn:
        same(txn, model)
    store._env.close()  # as a kill would leave it
    with RawState(folder) as raw:
        assert list(raw.items("labels")) == [(struct.pack(">QQ", *key), value) for key, value in sorted(model.items())]
        assert list(raw.keys("labels")) == [struct.pack(">QQ", *key) for key in sorted(model)]
        assert all(raw.get("labels", struct.pack(">QQ", *key)) == value for key, value in model.items())
        assert raw.get("labels", struct.pack(">QQ", 9, 9)) is None
    Store(folder, readonly=False, map_size_gib=0.01).close()
    assert contents(folder)["late"] == {} and len(contents(folder)["labels"]) == len(model)


def test_many_are_applied_with_the_transaction_that_makes_them_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MOST", 10)
    store = opened(tmp_path)
    for number in range(11):
        with store.write() as txn:
            txn.put(CLUSTER_MICROS, (1, number), b"")
        with store.read() as txn:
            assert txn.count(LATE) == (number + 1 if number < 10 else 0)
            assert [key[1] for key, _ in txn.scan(CLUSTER_MICROS, prefix=1)] == list(range(number + 1))
    with pytest.raises(AssertionError), store.read() as txn:
        txn.count(CLUSTER_MICROS)  # it would be wrong
    store.close()


def test_several_are_read_at_once_whether_gathered_or_applied(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with store.write() as txn:
        for number in (1, 3, 5):
            txn.put(CLUSTERS, number, ClusterRecord(born=number))
        txn.apply_late()
        txn.delete(CLUSTERS, 3)
        txn.put(CLUSTERS, 4, ClusterRecord(born=4))
        txn.put(CLUSTERS, 5, ClusterRecord(born=50))
    with store.read() as txn:
        assert txn.count(LATE) == 3
        assert [(number, record.born) for number, record in txn.many(CLUSTERS, [5, 4, 3, 2, 1])] == [
            (5, 50),
            (4, 4),
            (1, 1),
        ]
    store.close()


def test_what_is_undone_leaves_nothing_gathered(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(RuntimeError), store.write() as txn:
        txn.put(LISTS, (1, 2, 3), b"")
        raise RuntimeError
    with store.read() as txn:
        assert txn.count(LATE) == 0 and list(walk(txn, list_of("clusters", "size"), None, reverse=False)) == []
    store.close()


def test_readers_beside_a_writer_see_them_and_so_does_whoever_follows_a_killed_one(tmp_path: Path) -> None:
    batches = stream("a", 320, 16)
    ingest = open_ingest(tmp_path / "a")
    for one in batches:
        ingest.commit(one)
    library = Library(ingest._store)
    with ingest._store.read() as txn:
        assert txn.count(LATE) > 0 and txn.count(MICROS) > 0
    beside = [(cluster.id, cluster.size) for cluster in library.clusters(limit=500).items]
    members = {cluster: [image.id for image in library.members(cluster, limit=500).items] for cluster, _ in beside}
    assert all(len(members[cluster]) == size for cluster, size in beside) and len(beside) > 1
    ingest._store._env.close()  # as a kill would leave it
    ingest._lock.release()
    assert contents(tmp_path / "a")["late"] and check_state(tmp_path / "a").clean
    open_ingest(tmp_path / "a").close()
    whole = open_ingest(tmp_path / "b")
    for one in batches:
        whole.commit(one)
    whole.close()
    found, wanted = contents(tmp_path / "a"), contents(tmp_path / "b")
    for table in ("lists", "labels", "cluster_micros", "late"):
        assert found[table] == wanted[table], table


def test_a_full_disk_at_the_end_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    with store.write() as txn:
        txn.put(LISTS, (0, 1, 2), b"")

    def full(work: object) -> None:
        raise StorageError("no_space", "the disk is full")

    monkeypatch.setattr(store, "transact", full)
    store.close()
    again = Store(tmp_path, readonly=True)
    with again.read() as txn:
        assert txn.count(LATE) == 1 and len(list(txn.keys(LISTS, 0))) == 1
    again.close()
