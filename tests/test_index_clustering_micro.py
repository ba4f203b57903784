"""The table of micro-clusters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from index.clustering.base import MicroChanges
from index.clustering.micro import MicroTable
from index.records import OUTLIER, MicroRecord
from ops.errors import StateError


class Written:
    """Sums as they were written last."""

    def __init__(self, sums: dict[int, bytes]) -> None:
        self.sums = dict(sums)

    def __call__(self, micros: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([np.frombuffer(self.sums[micro], "<f4") for micro in micros.tolist()])


def everything(table: MicroTable) -> NDArray[np.float32]:
    return table.sums(np.arange(len(table)))


def filled(n: int = 200) -> MicroTable:
    table = MicroTable()
    table.set_dim(3)
    for i in range(n):
        table.open(np.eye(3, dtype=np.float32)[i % 3], i % 4 - 1)
    return table


def test_sums_counts_and_sizes() -> None:
    table = filled(8)
    table.join(0, np.array([0, 2, 0], np.float32))
    assert table.sum_of(0).tolist() == [1, 2, 0] and table.counts.tolist() == [2] + [1] * 7
    assert table.sizes() == {0: 2, 1: 2, 2: 2}  # clusters; two micro-clusters with three vectors are outliers


def test_dirty_records_are_what_changed_since_the_last_call() -> None:
    table = filled(5)
    assert [record.id for record in table.take_dirty().records] == [0, 1, 2, 3, 4]
    assert table.take_dirty() == MicroChanges([], {})
    table.join(3, np.ones(3, np.float32))
    table.relabel(np.array([7, *table.clusters[1:].tolist()]))
    changes = table.take_dirty()
    assert [(r.id, r.count, r.cluster, r.revision) for r in changes.records] == [(0, 1, 7, 0), (3, 2, 2, 1)]
    assert list(changes.sums) == [3]  # a cluster that changes its name leaves the sum as it was


@pytest.mark.parametrize("held", [True, False])
def test_records_and_sums_bring_the_table_back_bit_for_bit(held: bool) -> None:
    table = filled()
    table.join(9, np.array([0.1, 1 / 3, 1e-8], np.float32))
    changes, other = table.take_dirty(), MicroTable()
    other.load(changes.records, Written(changes.sums))
    if held:
        other.hold()
    assert everything(other).tobytes() == everything(table).tobytes()
    assert np.array_equal(other.counts, table.counts) and np.array_equal(other.clusters, table.clusters)
    assert other.take_dirty() == MicroChanges([], {})


def test_what_is_left_where_it_is_written_is_read_there_and_takes_no_memory() -> None:
    table = filled(100)
    changes = table.take_dirty()
    written = Written(changes.sums)
    other = MicroTable()
    other.load(changes.records, written)
    other.hold()
    full = other.size_bytes()
    other.join(5, np.ones(3, np.float32))
    other.leave()
    assert other.size_bytes() < full and other.sum_of(5).tolist() == [1, 1, 2]  # not written yet
    table.join(5, np.ones(3, np.float32))
    table.join(6, np.ones(3, np.float32))
    other.join(6, np.ones(3, np.float32))
    again = other.take_dirty()
    assert again == table.take_dirty() and sorted(again.sums) == [5, 6]
    written.sums |= again.sums
    assert everything(other).tobytes() == everything(table).tobytes()
    other.widen(4)
    assert other.dim == 4 and other.sum_of(6).tolist() == [2, 1, 1, 0]


def test_sums_stay_in_memory_where_nobody_says_where_they_are_written() -> None:
    table = filled(9)
    table.take_dirty()
    table.leave()
    assert table.sum_of(4).tolist() == [0, 1, 0]


def test_records_with_a_gap_are_refused() -> None:
    with pytest.raises(StateError, match="restore a backup"):
        MicroTable().load([MicroRecord(0, 1, OUTLIER), MicroRecord(2, 1, OUTLIER)], Written({0: bytes(8), 2: bytes(8)}))


def test_widening_keeps_what_is_there() -> None:
    table = filled(2)
    table.widen(5)
    table.open(np.ones(5, np.float32), 1)
    assert table.dim == 5 and table.sum_of(1).tolist() == [0, 1, 0, 0, 0]
