from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from index.stream.batch import ShardCursor
from index.stream.options import ReadOptions
from tests.tars import add_sample, jpeg, write_shard


def test_batches_follow_on_each_other_and_the_last_says_so(tmp_path: Path) -> None:
    shard = str(write_shard(tmp_path / "a.tar", [f"k{i}" for i in range(5)]))
    cursor = ShardCursor(ReadOptions())
    batches = [cursor.read(shard, start, 2) for start in (0, 2, 4)]
    assert [(b.header.start, b.header.end, b.header.last) for b in batches] == [
        (0, 2, False), (2, 4, False), (4, 5, True),
    ]  # fmt: skip
    assert [s.key for b in batches for s in b.samples] == [f"k{i}" for i in range(5)]
    assert batches[0].header.size == Path(shard).stat().st_size


def test_any_position_can_be_asked_for_again(tmp_path: Path) -> None:
    shard = str(write_shard(tmp_path / "a.tar", [f"k{i}" for i in range(5)]))
    cursor = ShardCursor(ReadOptions())
    first = cursor.read(shard, 0, 2)
    cursor.read(shard, 2, 2)
    again = cursor.read(shard, 0, 2)
    assert [s.sha256 for s in again.samples] == [s.sha256 for s in first.samples]


def test_a_broken_image_is_one_refused_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add_sample(tar, "good", jpeg())
        add_sample(tar, "bad", b"no image")
    samples = ShardCursor(ReadOptions()).read(str(path), 0, 10).samples
    assert samples[0].image is not None and samples[0].reject is None
    assert samples[1].image is None and samples[1].reject is not None
    assert samples[1].reject.reason == "broken_image"


@pytest.mark.parametrize("start", [5, 9])
def test_reading_behind_the_end_gives_an_empty_last_batch(tmp_path: Path, start: int) -> None:
    shard = str(write_shard(tmp_path / "a.tar", [f"k{i}" for i in range(5)]))
    batch = ShardCursor(ReadOptions()).read(shard, start, 2)
    assert batch.samples == [] and batch.header.last
