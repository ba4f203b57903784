from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from index.jobs import FIELD, MESH, ReconJob, ReconOutput
from index.publish import publish, record_failure
from index.records import ClusterRecord
from index.schedule import Policy, due_jobs, recon_input
from index.store import Store, Transaction
from index.tables import ARTIFACTS, CLUSTER_MICROS, CLUSTERS, CROPS, MASKS, MICRO_SAMPLES, SHAPES
from index.totals import library_loss, write_cluster
from ops.errors import NotFoundError

POLICY = Policy(min_views=10, growth=1.5, max_failures=3, max_images=4)


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Transaction]:
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        yield txn
    store.close()


def output(job: ReconJob, loss: float = 0.3, baseline: float = 1.0, found: bool = True) -> ReconOutput:
    artifacts = {FIELD: b"field", MESH: b"mesh"} if found else {}
    verdict = "shape" if found else "thin_evidence"
    return ReconOutput(job, verdict, "why", loss, baseline, 0.8, 0.2, 12, job.version > 0, 1.5, artifacts=artifacts)  # type: ignore[arg-type]


def due(txn: Transaction) -> list[int]:
    return [job.cluster for job in due_jobs(txn, POLICY)]


def test_a_cluster_is_due_at_first_size_and_then_by_growth(txn: Transaction) -> None:
    txn.put(CLUSTERS, 0, ClusterRecord(size=9))
    txn.put(CLUSTERS, 1, ClusterRecord(size=10))
    txn.put(CLUSTERS, 2, ClusterRecord(size=29, attempted_size=20))
    txn.put(CLUSTERS, 3, ClusterRecord(size=60, attempted_size=20))
    txn.put(CLUSTERS, 4, ClusterRecord(size=30, attempted_size=20))
    txn.put(CLUSTERS, 5, ClusterRecord(size=99, state="retired"))
    assert due(txn) == [1, 3, 4]


def test_failures_are_retried_a_few_times_then_wait_for_growth(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=10))
    for _ in range(POLICY.max_failures):
        (job,) = due_jobs(txn, POLICY)
        assert record_failure(txn, job, "broke").outcome == "failed"
    assert due(txn) == []
    record = txn.get(CLUSTERS, 1)
    assert record is not None and record.failures == 3 and record.reason == "broke"
    txn.put(CLUSTERS, 1, ClusterRecord(size=15, attempted_size=10, failures=3))
    assert due(txn) == [1]


def test_input_is_spread_over_the_members(txn: Transaction) -> None:
    for micro in (7, 8):
        txn.put(CLUSTER_MICROS, (1, micro), b"")
    for sample in range(20):
        txn.put(MICRO_SAMPLES, (7 + sample % 2, sample), b"")
        txn.put(CROPS, sample, b"c%d" % sample)
        txn.put(MASKS, sample, b"m%d" % sample)
    txn.put(ARTIFACTS, (1, 2, FIELD), b"old field")
    given = recon_input(txn, ReconJob(1, 20, 2, 2.0), POLICY)
    assert given.samples == [0, 6, 13, 19]
    assert given.crops[1] == b"c6" and given.masks[3] == b"m19" and given.field == b"old field"
    with pytest.raises(NotFoundError):
        recon_input(txn, ReconJob(9, 20, 0, 2.0), POLICY)


def test_a_first_shape_is_published(txn: Transaction) -> None:
    write_cluster(txn, 1, ClusterRecord(size=12))
    report = publish(txn, output(ReconJob(1, 12, 0, 1.0)))
    assert (report.outcome, report.version) == ("published", 1)
    record = txn.get(CLUSTERS, 1)
    assert record is not None and (record.version, record.attempted_size) == (1, 12)
    assert txn.get(ARTIFACTS, (1, 1, MESH)) == b"mesh"
    totals = txn.counters()
    assert (totals.clusters, totals.shapes, totals.clustered, library_loss(totals)) == (1, 1, 12, 0.3)


def test_a_version_is_published_only_if_better_and_kept_anyway(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=12))
    publish(txn, output(ReconJob(1, 12, 0, 1.0)))
    worse = publish(txn, output(ReconJob(1, 20, 1, 1.5), loss=0.31, baseline=0.30))
    assert (worse.outcome, worse.version) == ("not_better", 2)
    record = txn.get(CLUSTERS, 1)
    assert record is not None and (record.version, record.attempted_size) == (1, 20)
    kept = txn.get(SHAPES, (1, 2))
    assert kept is not None and kept.outcome == "not_better"
    better = publish(txn, output(ReconJob(1, 30, 1, 1.5), loss=0.29, baseline=0.30))
    assert (better.outcome, better.version) == ("published", 3)


def test_no_shape_is_a_verdict_with_its_reason(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=12))
    assert publish(txn, output(ReconJob(1, 12, 0, 1.0), found=False)).outcome == "no_shape"
    record = txn.get(CLUSTERS, 1)
    assert record is not None and (record.version, record.verdict, record.reason) == (
        0,
        "thin_evidence",
        "why",
    )
    assert due(txn) == []


@pytest.mark.parametrize("record", [None, ClusterRecord(size=0, state="retired"), ClusterRecord(size=12, version=5)])
def test_a_result_for_a_cluster_that_has_changed_is_dropped(txn: Transaction, record: ClusterRecord | None) -> None:
    if record is not None:
        txn.put(CLUSTERS, 1, record)
    assert publish(txn, output(ReconJob(1, 12, 0, 1.0))).outcome == "stale"
    assert txn.count(SHAPES) == 0 and txn.count(ARTIFACTS) == 0
