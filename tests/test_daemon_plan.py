from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from daemon.plan import ShardPlan, Stretch
from index.records import ShardRecord
from index.stream.batch import BatchHeader, Mark
from ops.errors import SourceError
from tests.tars import write_shard


def shard(folder: Path, name: str) -> str:
    return str(write_shard(folder / name, ["x", "y"]))


def drain(plan: ShardPlan) -> list[Stretch]:
    found = []
    while (stretch := plan.next()) is not None:
        found.append(stretch)
    return found


def record(path: str, cursor: int, done: bool) -> ShardRecord:
    return ShardRecord(path, cursor, done, Path(path).stat().st_size)


MARK = Mark(1, "abc")


def header(path: str, end: int) -> BatchHeader:
    return BatchHeader(path, 0, end, True, 0, 0.0, mark=MARK)


def test_new_shards_are_handed_out_once_in_order(tmp_path: Path) -> None:
    paths = [shard(tmp_path, f"{i}.tar") for i in range(3)]
    plan = ShardPlan([str(tmp_path)], [], follow=False)
    assert drain(plan) == [Stretch(path, 0) for path in paths]
    assert plan.finite and plan.waiting == 0


def test_finished_shards_are_skipped_and_started_ones_resumed(tmp_path: Path) -> None:
    done, begun, new = (shard(tmp_path, f"{i}.tar") for i in range(3))
    plan = ShardPlan([str(tmp_path)], [record(done, 2, True), record(begun, 1, False)], follow=False)
    assert drain(plan) == [Stretch(begun, 1), Stretch(new, 0)]
    assert [r.url for r in plan.skipped] == [done]
    assert [r.url for r in plan.resumed] == [begun]


def test_a_shard_that_a_person_deleted_is_not_read_whatever_it_holds_by_now(tmp_path: Path) -> None:
    path, other = shard(tmp_path, "0.tar"), shard(tmp_path, "1.tar")
    known = [replace(record(path, 1, False), blocked=True), replace(record(other, 2, True), blocked=True)]
    plan = ShardPlan([str(tmp_path)], known, follow=True, settle_s=0)
    write_shard(Path(other), ["x", "y", *(f"z{i}" for i in range(20))])
    plan.look_again()
    assert drain(plan) == [] and [r.url for r in plan.skipped] == [path, other]


def test_a_finished_shard_that_grew_is_read_on(tmp_path: Path) -> None:
    path = shard(tmp_path, "0.tar")
    known = record(path, 2, True)
    write_shard(Path(path), ["x", "y", *(f"z{i}" for i in range(20))])
    assert drain(ShardPlan([path], [known], follow=False)) == [Stretch(path, 2)]


def test_a_finished_shard_that_only_its_time_tells_apart_is_looked_at_again(tmp_path: Path) -> None:
    path = shard(tmp_path, "0.tar")
    found = Path(path).stat()
    known = ShardRecord(path, 2, True, found.st_size, mtime_ns=found.st_mtime_ns, generation=3, prefix="abc")
    assert drain(ShardPlan([path], [known], follow=False)) == []
    os.utime(path, ns=(0, found.st_mtime_ns + 1))
    assert drain(ShardPlan([path], [known], follow=False)) == [Stretch(path, 2, Mark(3, "abc"))]


def test_no_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        ShardPlan([str(tmp_path / "*.tar")], [], follow=False)


def test_following_waits_until_a_shard_has_settled(tmp_path: Path) -> None:
    now = [0.0]
    plan = ShardPlan([str(tmp_path)], [], follow=True, settle_s=5.0, clock=lambda: now[0])
    assert plan.next() is None and not plan.finite
    path = shard(tmp_path, "0.tar")
    plan.look_again()
    assert plan.next() is None
    now[0] = 4.0
    write_shard(Path(path), [f"k{i}" for i in range(30)])
    assert plan.next() is None
    now[0] = 8.0
    assert plan.next() is None
    now[0] = 9.0
    assert plan.next() == Stretch(path, 0)
    plan.committed(header(path, 30), 30)
    plan.look_again()
    assert plan.next() is None


def test_following_reads_on_where_a_grown_shard_ended(tmp_path: Path) -> None:
    path = shard(tmp_path, "0.tar")
    plan = ShardPlan([str(tmp_path)], [], follow=True, settle_s=0.0)
    assert plan.next() == Stretch(path, 0)
    plan.committed(header(path, 2), 2)
    write_shard(Path(path), [f"k{i}" for i in range(30)])
    plan.look_again()
    assert plan.next() == Stretch(path, 2, MARK)
