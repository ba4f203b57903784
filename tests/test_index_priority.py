"""What gains most a second goes first, and nothing that is due waits for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from index.jobs import FIELD, ReconJob, ReconOutput
from index.priority import priority
from index.publish import publish, record_failure
from index.records import ClusterRecord
from index.schedule import Policy, schedule
from index.store import Store, Transaction
from index.tables import CLUSTERS
from index.totals import write_cluster

POLICY = Policy(min_views=10, growth=1.5, max_failures=9, max_images=4)
SHAPE = ClusterRecord(size=60, attempted_size=30, version=1, loss=0.4, seconds=20.0)


def changed(record: ClusterRecord, **fields: object) -> ClusterRecord:
    return msgspec.structs.replace(record, **fields)


def test_the_formula() -> None:
    assert priority(SHAPE, 0) == pytest.approx(30 * 0.4 / 20)
    assert priority(SHAPE, 16) == pytest.approx(2 * 30 * 0.4 / 20)
    assert priority(ClusterRecord(size=30), 0) == pytest.approx(30 / 60)


@pytest.mark.parametrize(
    ("better", "why"),
    [
        (changed(SHAPE, size=90), "it grew more"),
        (changed(SHAPE, loss=0.6), "there is more to lose"),
        (changed(SHAPE, seconds=10.0), "the last one took less"),
        (changed(SHAPE, version=0), "nothing is published"),
    ],
)
def test_each_part_of_the_formula_can_decide(better: ClusterRecord, why: str) -> None:
    assert priority(better, 0) > priority(SHAPE, 0), why


def test_to_register_images_counts_those_without_cameras() -> None:
    assert priority(SHAPE, 0, kind="search") == priority(SHAPE, 0)
    assert priority(changed(SHAPE, posed=55), 0, kind="register") == pytest.approx(5 * 0.4 / 20)


def test_waiting_decides_between_equals_and_failures_cost() -> None:
    assert priority(SHAPE, 40) > priority(changed(SHAPE, turn=10), 40)
    once, twice = (changed(SHAPE, attempted_size=60, failures=failures) for failures in (1, 2))
    assert priority(once, 0) == 2 * priority(twice, 0) > 0
    assert priority(changed(SHAPE, turn=99), 40) == priority(SHAPE, 0), "a count that is ahead costs nothing"


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Transaction]:
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        yield txn
    store.close()


def result(job: ReconJob, seconds: float) -> ReconOutput:
    judges = 4 if job.version else 0
    return ReconOutput(
        job, "shape", "made up", 0.5, 0.6, 0.8, 0.2, 12, False, seconds, artifacts={FIELD: b"field"},
        held_out=judges, held_out_loss=0.5 if judges else 0.0,
    )  # fmt: skip


def test_jobs_come_in_this_order(txn: Transaction) -> None:
    write_cluster(txn, 1, changed(SHAPE, seconds=200.0))
    write_cluster(txn, 2, changed(SHAPE, size=300))
    write_cluster(txn, 3, SHAPE)
    write_cluster(txn, 4, ClusterRecord(size=20))
    jobs = schedule(txn, POLICY, 0.0).jobs
    assert [job.cluster for job in jobs] == [2, 3, 4, 1]
    assert [job.priority for job in jobs] == sorted((job.priority for job in jobs), reverse=True)


def test_a_small_slow_cluster_gets_its_turn_among_large_ones_that_never_stop_growing(txn: Transaction) -> None:
    poor, crowd = 1, range(2, 12)
    write_cluster(txn, poor, ClusterRecord(size=15, attempted_size=10, attempts=1, seconds=20.0))
    for cluster in crowd:
        write_cluster(txn, cluster, ClusterRecord(size=100))
    served: list[int] = []
    while poor not in served:
        job = schedule(txn, POLICY, 0.0).jobs[0]
        served.append(job.cluster)
        assert publish(txn, result(job, 10.0)).outcome == "published"
        for cluster in crowd:
            record = txn.get(CLUSTERS, cluster)
            assert record is not None
            write_cluster(txn, cluster, changed(record, size=200, attempted_size=100))
        assert len(served) <= (16 + len(crowd)) * 5.0 / 0.25, "the bound that the formula gives"
    assert set(served) == {poor, *crowd} and len(served) > 100, "the large ones went first, as they should"


def test_one_that_keeps_failing_does_not_hold_the_others_up(txn: Transaction) -> None:
    write_cluster(txn, 1, ClusterRecord(size=400))
    for cluster in range(2, 6):
        write_cluster(txn, cluster, ClusterRecord(size=100))
    served = []
    for turn in range(9):
        job = schedule(txn, POLICY, 1e9 * turn).jobs[0]
        served.append(job.cluster)
        if job.cluster == 1:
            record_failure(txn, job, "broke", POLICY, 1e9 * turn)
        else:
            publish(txn, replace(result(job, 10.0), job=job))
    assert served[0] == 1 and set(served) == {1, 2, 3, 4, 5}
