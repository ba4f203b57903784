from __future__ import annotations

from pathlib import Path
from typing import Any

from daemon.lanes import Lanes
from daemon.plan import ShardPlan
from index.stream.batch import BatchHeader, Mark
from tests.tars import write_shard

BATCH = 2


class Stage:
    """Stands in for reader and embedder actors; references are plain tuples."""

    def __init__(self, lengths: dict[str, int]) -> None:
        self.lengths = lengths
        self.most = 0

    def read(self, reader: int, shard: str, start: int, mark: Mark) -> tuple[Any, Any]:
        return ("header", shard, start), ("batch", shard, start)

    def embed(self, batch: Any) -> Any:
        return ("embedded", *batch[1:])

    def header(self, ref: Any) -> BatchHeader:
        _, shard, start = ref
        end = min(start + BATCH, self.lengths[shard])
        return BatchHeader(shard, start, end, end - start < BATCH, 0, 0.0)


def make(tmp_path: Path, lengths: list[int], **options: int) -> tuple[Lanes, Stage, list[str]]:
    paths = [str(write_shard(tmp_path / f"{i}.tar", ["x"])) for i in range(len(lengths))]
    stage = Stage(dict(zip(paths, lengths, strict=True)))
    lanes = Lanes(ShardPlan([str(tmp_path)], [], follow=False), stage.read, stage.embed, **options)
    return lanes, stage, paths


def play(lanes: Lanes, stage: Stage, newest_first: bool, limit: int) -> list[tuple[str, int]]:
    """Runs to the end, letting reads finish in one order or the other."""
    taken = []
    lanes.feed()
    while not lanes.empty:
        assert lanes.load <= limit
        reads = lanes.reads()
        if reads and (newest_first or lanes.head() is None):
            ref = reads[-1 if newest_first else 0]
            lanes.on_read(ref, stage.header(ref))
        elif lanes.head() is not None:
            pending = lanes.take()
            assert pending.embedded == ("embedded", *pending.read[1:])
            taken.append((pending.header.shard, pending.header.start))
        lanes.feed()
    return taken


def test_order_does_not_depend_on_what_finishes_first(tmp_path: Path) -> None:
    for newest_first in (False, True):
        lanes, stage, paths = make(tmp_path, [5, 3, 4], readers=2, in_flight=4)
        taken = play(lanes, stage, newest_first, limit=5)
        expected = [(paths[0], 0), (paths[0], 2), (paths[0], 4), (paths[1], 0), (paths[1], 2)]
        assert taken == [*expected, (paths[2], 0), (paths[2], 2), (paths[2], 4)]


def test_in_flight_is_bounded(tmp_path: Path) -> None:
    lanes, stage, _ = make(tmp_path, [100], readers=1, in_flight=3)
    lanes.feed()
    for _ in range(10):
        for ref in lanes.reads():
            lanes.on_read(ref, stage.header(ref))
        lanes.feed()
    assert lanes.load == 3


def test_stop_keeps_the_first_batches_and_forgets_the_rest(tmp_path: Path) -> None:
    lanes, stage, _ = make(tmp_path, [100, 100], readers=2, in_flight=6)
    for _ in range(3):
        lanes.feed()
        for ref in lanes.reads():
            lanes.on_read(ref, stage.header(ref))
    lanes.feed()
    lanes.stop_reading(keep=2)
    assert lanes.reads() == []
    assert [lanes.take().header.start for _ in range(2)] == [0, BATCH]
    assert lanes.head() is None and lanes.empty
    lanes.feed()
    assert lanes.empty


def test_an_unreadable_shard_gives_way_to_the_next(tmp_path: Path) -> None:
    lanes, stage, paths = make(tmp_path, [1, 1], readers=1, in_flight=2)
    lanes.feed()
    assert lanes.on_failed_read(lanes.reads()[0]) == paths[0]
    assert play(lanes, stage, newest_first=False, limit=2) == [(paths[1], 0)]
