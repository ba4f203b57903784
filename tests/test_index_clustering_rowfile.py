"""A restart with the file of rows ends as one without it, sooner, and a file that does not suit is passed over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.clustering.base import FloatArray
from index.clustering.joining import CellJoiner
from index.clustering.online_linkage import OnlineLinkage
from tests.committed import Disk
from tests.test_index_clustering_rolling import WHOLE, many


class Counting(Disk):
    """Counts the sums that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def source(self, micros: NDArray[np.int64]) -> NDArray[np.float32]:
        self.read += len(micros)
        return super().source(micros)


def grown(vectors: FloatArray, disk: Disk, file: Path, save_at: int = 10**9) -> OnlineLinkage:
    """Learns in batches, committed one by one; saves the file after so many vectors, or at the end."""
    clusterer = disk.restored(whole=WHOLE)
    for begin in range(0, len(vectors), 40):
        clusterer.learn_many(vectors[begin : begin + 40])
        disk.commit(clusterer)
        if begin <= save_at < begin + 40:
            clusterer.save(file)
    if save_at >= len(vectors):
        clusterer.save(file)
    return clusterer


@pytest.mark.parametrize("saved", [10**9, 1000, 700])
def test_a_restart_goes_on_bit_for_bit_and_reads_the_sums_that_changed_alone(tmp_path: Path, saved: int) -> None:
    vectors, _ = many()
    disk, file = Counting(), tmp_path / "micros.faiss"
    steady = grown(vectors, disk, file, saved)
    assert isinstance(steady._joiner, CellJoiner)
    disk.read = 0
    slow = disk.restored(whole=WHOLE)
    everything, disk.read = disk.read, 0
    quick = disk.restored(file=file, whole=WHOLE)
    assert everything > 800 and disk.read < (200 if saved > len(vectors) else everything)
    assert steady._rolling is not None
    cells = np.arange(len(steady._rolling.profiles.cells))
    micros = np.arange(len(steady._table))
    for each in (slow, quick):
        assert isinstance(each._joiner, CellJoiner)
        assert np.array_equal(each._joiner.rows(micros), steady._joiner.rows(micros))
        assert np.array_equal(np.sort(each._joiner.inside(cells)), micros)
    fresh = many(5)[0][:300]
    learnt = [each.learn_many(fresh) for each in (steady, slow, quick)]
    assert learnt[0].events == learnt[1].events == learnt[2].events
    assert learnt[0].clusters.tolist() == learnt[1].clusters.tolist() == learnt[2].clusters.tolist()
    assert steady.changed() == slow.changed() == quick.changed()
    assert steady.scalars() == slow.scalars() == quick.scalars()


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9] + b"something")


def of_other_micros(file: Path) -> None:
    grown(many()[0][::-1].copy(), Disk(), file)  # as many, in the same space


def of_more(file: Path) -> None:
    vectors, _ = many()
    grown(np.concatenate([vectors, many(9)[0][:30]]), Disk(), file)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (torn, "is damaged"),
        (lambda file: file.write_bytes(b"no file of ours"), "does not begin as one"),
        (of_other_micros, "stale|of other micro-clusters"),
        (of_more, "stale|not those of the store"),
        (Path.unlink, ""),
    ],
)
def test_a_file_that_does_not_suit_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], told: str
) -> None:
    vectors, _ = many()
    disk, file = Disk(), tmp_path / "micros.faiss"
    steady = grown(vectors, disk, file)
    damage(file)
    with caplog.at_level(logging.WARNING):
        restored = disk.restored(file=file, whole=WHOLE)
    assert len(caplog.records) == bool(told)
    if told:
        assert any(each in caplog.text for each in told.split("|"))
    micros = np.arange(len(steady._table))
    assert isinstance(steady._joiner, CellJoiner) and isinstance(restored._joiner, CellJoiner)
    assert np.array_equal(restored._joiner.rows(micros), steady._joiner.rows(micros))


def test_rows_of_another_history_are_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store that was put back by hand: the space is the same, the micro-clusters since are others."""
    vectors, _ = many()
    disk, other, file = Disk(), Disk(), tmp_path / "micros.faiss"
    begun = grown(vectors[:680], disk, file)
    other.micros, other.sums, other.scalars = dict(disk.micros), dict(disk.sums), dict(disk.scalars)
    for each, store, part in ((begun, disk, vectors[680:780]), (other.restored(whole=WHOLE), other, vectors[780:880])):
        each.learn_many(part)
        store.commit(each)
        each.save(file)
    assert begun._rolling is not None and begun._rolling.fitted < 680
    with caplog.at_level(logging.WARNING):
        restored = disk.restored(file=file, whole=WHOLE)
    assert caplog.records
    micros = np.arange(len(begun._table))
    assert isinstance(begun._joiner, CellJoiner) and isinstance(restored._joiner, CellJoiner)
    assert np.array_equal(restored._joiner.rows(micros), begun._joiner.rows(micros))


def test_it_is_written_when_much_is_new_and_not_again_for_little(tmp_path: Path) -> None:
    vectors, _ = many()
    disk, file = Disk(), tmp_path / "micros.faiss"
    OnlineLinkage().save(file)
    small = OnlineLinkage()
    small.learn_many(vectors)
    small.save(file)
    assert not file.exists()  # all of it fits into memory and is mapped in no time
    clusterer = grown(vectors, disk, file)
    first = file.stat().st_mtime_ns
    clusterer.learn_many(many(3)[0][:10])
    disk.commit(clusterer)
    clusterer.save(file, due=True)
    assert file.stat().st_mtime_ns == first
    clusterer.learn_many(many(4)[0][:200])
    disk.commit(clusterer)
    clusterer.save(file, due=True)
    assert file.stat().st_mtime_ns > first
