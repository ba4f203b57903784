"""The table of micro-clusters."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.micro import MicroTable
from index.records import OUTLIER, MicroRecord
from ops.errors import StateError


def filled(n: int = 200) -> MicroTable:
    table = MicroTable()
    table.set_dim(3)
    for i in range(n):
        table.open(np.eye(3, dtype=np.float32)[i % 3], i % 4 - 1)
    return table


def test_sums_counts_and_sizes() -> None:
    table = filled(8)
    table.join(0, np.array([0, 2, 0], np.float32))
    assert table.totals[0].tolist() == [1, 2, 0] and table.counts.tolist() == [2] + [1] * 7
    assert table.sizes() == {0: 2, 1: 2, 2: 2}  # clusters; two micro-clusters with three vectors are outliers


def test_dirty_records_are_what_changed_since_the_last_call() -> None:
    table = filled(5)
    assert [record.id for record in table.take_dirty()] == [0, 1, 2, 3, 4]
    assert table.take_dirty() == []
    table.join(3, np.ones(3, np.float32))
    table.relabel(np.array([7, *table.clusters[1:].tolist()]))
    assert [(r.id, r.count, r.cluster) for r in table.take_dirty()] == [(0, 1, 7), (3, 2, 2)]


def test_records_bring_the_table_back_bit_for_bit() -> None:
    table = filled()
    table.join(9, np.array([0.1, 1 / 3, 1e-8], np.float32))
    records, other = table.take_dirty(), MicroTable()
    other.load(records)
    assert other.totals.tobytes() == table.totals.tobytes()
    assert np.array_equal(other.counts, table.counts) and np.array_equal(other.clusters, table.clusters)
    assert other.take_dirty() == []


@pytest.mark.parametrize(
    "records",
    [
        [MicroRecord(1, 1, bytes(8), OUTLIER)],
        [MicroRecord(0, 1, bytes(8), OUTLIER), MicroRecord(1, 1, bytes(12), OUTLIER)],
    ],
    ids=["gap", "dimension"],
)
def test_damaged_records_are_refused(records: list[MicroRecord]) -> None:
    with pytest.raises(StateError, match="restore a backup"):
        MicroTable().load(records)


def test_widening_keeps_what_is_there() -> None:
    table = filled(2)
    table.widen(5)
    table.open(np.ones(5, np.float32), 1)
    assert table.dim == 5 and table.totals[1].tolist() == [0, 1, 0, 0, 0]
