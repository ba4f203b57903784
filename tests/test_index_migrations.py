from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from index import migrations
from index.library import open_library
from index.migrations import migrate, schema_of
from index.store import SCHEMA, Store, Transaction
from index.tables import CLUSTERS, CROPS
from ops.errors import StateError
from ops.fsck import check_state
from tests.batches import batch as make_batch
from tests.batches import open_ingest, sample, stream
from tests.library_factory import make_library
from tests.old_store import (
    OLD_MAP,
    contents,
    set_schema,
    write_schema_1,
    write_schema_3,
    write_schema_4,
    write_schema_5,
    write_schema_6,
    write_schema_7,
)
from tests.states import EAGER, SHAPED, busy_state, due_job, restless, shape_of
from tests.test_index_ingest import feed, partition


def records(entries: dict[str, dict[bytes, bytes]], table: str) -> list[dict[str, object]]:
    """The records of a table, but for what is known only of attempts and events that this version saw itself."""
    decoded = [msgspec.msgpack.decode(raw) for raw in entries[table].values()]
    return [{k: v for k, v in each.items() if k not in ("seeds", "seconds", "turn")} for each in decoded]


def test_schema_3_becomes_what_this_version_would_have_written_but_for_the_feed(tmp_path: Path) -> None:
    today = busy_state(tmp_path / "today", edits=False)
    write_schema_3(today, tmp_path / "old")
    assert migrated(tmp_path / "old") == 3
    found, wanted = contents(tmp_path / "old"), contents(today)
    for table in wanted.keys() - {"changes", "cluster_changes", "counters", "shapes", "cameras", "clusters"}:
        assert found[table] == wanted[table], table
    assert records(found, "clusters") == records(wanted, "clusters")
    report = check_state(tmp_path / "old")
    assert report.clean and report.records["changes"] > report.records["lineage"]
    library = open_library(tmp_path / "old")
    last = library.moment()
    assert (last.images, last.clusters, last.shapes) == (322, library.status().clusters, 1)
    library.close()


def test_schema_5_becomes_what_this_version_would_have_written_but_for_signatures(tmp_path: Path) -> None:
    today = busy_state(tmp_path / "today", edits=False)
    write_schema_5(today, tmp_path / "old")
    before = contents(tmp_path / "old")
    assert "copies" not in before and not any(b"\xa2of" in raw for raw in before["rejects"].values())
    assert migrated(tmp_path / "old") == 5
    found = contents(tmp_path / "old")
    assert found["copies"]
    for table, entries in contents(today).items():
        assert found[table] == entries, table
    assert check_state(tmp_path / "old").clean


def test_schema_6_becomes_what_this_version_would_have_written(tmp_path: Path) -> None:
    today = busy_state(tmp_path / "today", edits=False)
    write_schema_6(today, tmp_path / "old")
    before, wanted = contents(tmp_path / "old"), contents(today)
    assert b"total" in before["micros"][bytes(8)] and 0 < len(wanted["micro_sums"]) < len(wanted["micros"])
    assert migrated(tmp_path / "old") == 6
    found = contents(tmp_path / "old")
    assert records(found, "micros") == records(wanted, "micros")
    for table in wanted.keys() - {"micros"}:
        assert found[table] == wanted[table], table
    assert check_state(tmp_path / "old").clean


def test_schema_7_becomes_what_this_version_would_have_written(tmp_path: Path) -> None:
    today = busy_state(tmp_path / "today", edits=False)
    write_schema_7(today, tmp_path / "old")
    wanted = contents(today)
    before, after = (msgspec.msgpack.decode(one["counters"][b"only"]) for one in (contents(tmp_path / "old"), wanted))
    assert "retired" not in before and after["retired"] > 0
    assert migrated(tmp_path / "old") == 7
    found = contents(tmp_path / "old")
    for table in wanted.keys() - {"counters"}:
        assert found[table] == wanted[table], table
    assert msgspec.msgpack.decode(found["counters"][b"only"]) == after
    assert check_state(tmp_path / "old").clean


def test_schema_4_becomes_what_this_version_would_have_written_but_for_what_judged_a_version(tmp_path: Path) -> None:
    today = busy_state(tmp_path / "today", edits=False)
    ingest = open_ingest(today)
    shape = SHAPED
    for one in restless("/crawl/f.tar", 320, 32, seed=320):
        ingest.commit(one)
    worse = shape_of(ingest.recon_input(due_job(ingest, shape, EAGER), EAGER), 0.4, 0.3)
    assert ingest.publish(worse).outcome == "candidate"
    ingest.close()
    write_schema_4(today, tmp_path / "old")
    assert b"not_better" in b"".join(contents(tmp_path / "old")["shapes"].values())
    assert check_state(tmp_path / "old").clean
    assert migrated(tmp_path / "old") == 4
    found, wanted = contents(tmp_path / "old"), contents(today)
    for table in wanted.keys() - {"shapes", "cameras", "changes", "clusters"}:
        assert found[table] == wanted[table], table
    for table in ("changes", "clusters"):
        assert records(found, table) == records(wanted, table)
    assert check_state(tmp_path / "old").clean
    library = open_library(tmp_path / "old")
    first, second, third = library.versions(shape)
    assert [each.outcome for each in (first, second, third)] == ["published", "published", "candidate"]
    assert (second.judge, second.before, second.held_out) == ("fit", 1, 0)
    assert first.level == 0.3 and second.level == pytest.approx(0.3 * 0.2 / 0.35)
    library.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    write_schema_1(make_library(tmp_path / "new"), tmp_path / "old")
    return tmp_path / "old"


def migrated(folder: Path) -> int | None:
    store = Store(folder, readonly=False, map_size_gib=0.25)
    try:
        return migrate(store)
    finally:
        store.close()


def test_an_older_store_becomes_what_this_version_would_have_written(old: Path, tmp_path: Path) -> None:
    assert contents(old) != contents(tmp_path / "new")
    assert migrated(old) == 1
    assert contents(old) == contents(tmp_path / "new")
    assert migrated(old) is None


def test_a_stream_goes_on_over_an_older_store(tmp_path: Path) -> None:
    batches = stream("a", 160, 16)
    feed(tmp_path / "whole", batches)
    feed(tmp_path / "half", batches[:5])
    write_schema_1(tmp_path / "half", tmp_path / "old")
    feed(tmp_path / "old", batches[5:])
    assert partition(tmp_path / "old") == partition(tmp_path / "whole")
    library, whole = open_library(tmp_path / "old"), open_library(tmp_path / "whole")
    assert library.status().clusters == whole.status().clusters > 1
    library.close()
    whole.close()


def test_readers_of_an_older_store_are_told_what_to_do_and_change_nothing(old: Path) -> None:
    before = contents(old)
    with pytest.raises(StateError, match=r"written by an older version \(schema 1\).*shapelode migrate --state"):
        open_library(old)
    assert contents(old) == before


def test_a_migration_that_fails_leaves_every_byte(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def breaks(txn: Transaction) -> None:
        migrations.recount(txn)
        for (cluster,), _ in list(txn.scan(CLUSTERS)):
            steps.append(cluster)
            txn.delete(CLUSTERS, cluster)
        raise RuntimeError("broke half-way")

    before, bytes_before = contents(old), (old / "lmdb" / "data.mdb").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="half-way"):
        patch.setattr(migrations, "STEPS", {**migrations.STEPS, 1: breaks})
        migrated(old)
    assert len(steps) == 3
    assert contents(old) == before and (old / "lmdb" / "data.mdb").read_bytes() == bytes_before
    assert migrated(old) == 1


def test_a_migration_for_which_the_map_has_to_grow(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []

    def heavy(txn: Transaction) -> None:
        runs.append(1)
        migrations.recount(txn)
        txn.put(CROPS, 2**40, bytes(OLD_MAP))
        txn.delete(CROPS, 2**40)

    monkeypatch.setattr(migrations, "STEPS", {**migrations.STEPS, 1: heavy})
    assert migrated(old) == 1 and len(runs) == 2
    assert contents(old) == contents(tmp_path / "new")


def test_several_steps_are_one_transaction(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def second(_: Transaction) -> None:
        ran.append(2)
        if len(ran) < 2:
            raise RuntimeError

    before = contents(old)
    monkeypatch.setattr(migrations, "SCHEMA", SCHEMA + 1)
    monkeypatch.setattr(migrations, "STEPS", {**migrations.STEPS, SCHEMA: second})
    with pytest.raises(RuntimeError):
        migrated(old)
    assert contents(old) == before
    assert migrated(old) == 1 and ran == [2, 2]
    store = Store(old, readonly=True)
    assert schema_of(store) == SCHEMA + 1
    store.close()


@pytest.mark.parametrize(("schema", "message"), [(99, "newer version .*update Shapelode"), (0, "too old")])
def test_unknown_schemas_are_refused_in_one_line(tmp_path: Path, schema: int, message: str) -> None:
    folder = make_library(tmp_path)
    set_schema(folder, schema)
    before = contents(folder)
    for open_it in (open_library, open_ingest):
        with pytest.raises(StateError, match=message) as caught:
            open_it(folder)
        assert "\n" not in str(caught.value)
    assert contents(folder) == before


def test_a_new_store_needs_none(tmp_path: Path) -> None:
    assert migrated(tmp_path) is None
    ingest = open_ingest(tmp_path)
    assert ingest.commit(make_batch("a", [sample(0)])).stored == 1
    ingest.close()
