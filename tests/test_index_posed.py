"""Images that come between two versions are registered to the one there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from index.jobs import FIELD, MESH, JobKind, ReconJob, ReconOutput
from index.publish import publish, record_failure
from index.records import CameraRecord, ClusterRecord, MicroRecord, SampleRecord
from index.rollback import Rollback, roll_back
from index.schedule import Policy, recon_input, schedule
from index.store import Store, Transaction
from index.tables import CAMERAS, CHANGES, CLUSTER_MICROS, CLUSTERS, MICRO_SAMPLES, MICROS, QUARANTINED, SAMPLES, SHAPES
from index.totals import add_counts, write_cluster

POLICY = Policy(min_views=4, growth=2.0, max_failures=3, max_images=6, register=1.25)
TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Transaction]:
    """A cluster of twelve images, with a shape that was fitted to the first eight."""
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        write_cluster(txn, 1, ClusterRecord(size=8))
        txn.put(CLUSTER_MICROS, (1, 1), b"")
        txn.put(MICROS, 1, MicroRecord(1, 8, 1))
        come(txn, range(8))
        publish(txn, found(ReconJob(1, 8, 0, 1.0), range(8)))
        come(txn, range(8, 12))
        yield txn
    store.close()


def come(txn: Transaction, images: range) -> None:
    for image in images:
        txn.put(MICRO_SAMPLES, (1, image), b"")
        txn.put(SAMPLES, image, SampleRecord("k", "s", 0, "", 8, 8, (0, 0, 8, 8), 0.3, "", 1, 1.0, 0.0))
    write_cluster(txn, 1, msgspec.structs.replace(record_of(txn), size=images.stop))
    add_counts(txn, next_sample=len(images), stored=len(images))


def record_of(txn: Transaction) -> ClusterRecord:
    record = txn.get(CLUSTERS, 1)
    assert record is not None
    return record


def cameras(images: range | list[int], fitted: bool) -> list[CameraRecord]:
    return [CameraRecord(i, TURN, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0, fitted) for i in images]


def found(job: ReconJob, images: range) -> ReconOutput:
    return ReconOutput(
        job, "shape", "why", 0.3, 0.5, 0.8, 0.2, 8, job.version > 0, 1.5, cameras=cameras(images, True),
        artifacts={FIELD: b"field", MESH: b"mesh"}, held_out=2 if job.version else 0, held_out_loss=0.3,
    )  # fmt: skip


def due(txn: Transaction, policy: Policy = POLICY) -> list[tuple[int, JobKind]]:
    return [(job.cluster, job.kind) for job in schedule(txn, policy, 0.0).jobs]


def registered(txn: Transaction, policy: Policy = POLICY) -> ReconOutput:
    """What the next job comes to."""
    (job,) = schedule(txn, policy, 0.0).jobs
    given = recon_input(txn, job, policy)
    return ReconOutput(
        given.job, "shape", "", 1.0, 1.0, 0.0, 1.0, len(given.samples), True, 0.5,
        cameras=cameras(given.samples, False), samples=given.samples,
    )  # fmt: skip


def held(txn: Transaction, version: int = 1) -> list[int]:
    return [camera.sample for camera in txn.get(CAMERAS, (1, version)) or []]


def test_new_images_are_registered_once_there_are_a_quarter_more(txn: Transaction) -> None:
    assert record_of(txn).posed == 8 and due(txn) == [(1, "register")]
    assert due(txn, replace(POLICY, register=1.6)) == [] and due(txn, replace(POLICY, growth=1.5)) == [(1, "fit")]
    (job,) = schedule(txn, POLICY, 0.0).jobs
    given = recon_input(txn, job, POLICY)
    assert (given.samples, given.field, given.starts, given.held_out) == ([8, 9, 10, 11], b"field", (), ())
    before, output = record_of(txn), registered(txn)
    report = publish(txn, output)
    assert (report.outcome, report.version, report.start) == ("registered", 1, "register")
    assert report.reason == "4 images registered to version 1"
    assert held(txn) == list(range(12)) and txn.count(SHAPES) == 1
    there = txn.get(CAMERAS, (1, 1)) or []
    assert [camera.at for camera in there] == [0] * 8 + [12] * 4 and [c.fitted for c in there] == [True] * 8 + [
        False
    ] * 4
    after = msgspec.structs.replace(before, posed=12, attempts=2, turn=2, spent=before.spent + 0.5)
    assert record_of(txn) == after and due(txn) == [] and txn.counters().reconstructions == 2
    last = list(txn.values(CHANGES))[-1]
    assert (last.kind, last.cluster, last.version, last.count) == ("registered", 1, 1, 4)
    assert publish(txn, output).outcome == "stale" and record_of(txn) == after


def test_of_many_new_images_the_first_come_first(txn: Transaction) -> None:
    come(txn, range(12, 15))
    publish(txn, registered(txn))
    assert held(txn) == list(range(14)) and record_of(txn).posed == 14 and due(txn) == []
    wide = replace(POLICY, register=1.01)
    publish(txn, registered(txn, wide))
    assert held(txn) == list(range(15)) and due(txn, wide) == []


def test_images_in_quarantine_are_not_asked_for_again_and_again(txn: Transaction) -> None:
    for image in range(8, 12):
        txn.put(QUARANTINED, image, b"")
    output = registered(txn)
    assert output.samples == [] and publish(txn, output).outcome == "registered"
    assert held(txn) == list(range(8)) and due(txn) == []


def test_what_breaks_is_not_repeated_before_the_cluster_has_grown(txn: Transaction) -> None:
    (job,) = schedule(txn, POLICY, 0.0).jobs
    assert record_failure(txn, job, "broke", POLICY, 0.0).outcome == "failed"
    record = record_of(txn)
    assert (record.posed, record.failures, record.version) == (12, 0, 1) and due(txn) == []
    come(txn, range(12, 15))
    assert due(txn) == [(1, "register")]


def test_the_next_version_is_judged_by_what_was_only_registered(txn: Transaction) -> None:
    publish(txn, registered(txn))
    come(txn, range(12, 16))
    assert due(txn) == [(1, "fit")]
    (job,) = schedule(txn, POLICY, 0.0).jobs
    wide = replace(POLICY, max_images=16)
    assert set(recon_input(txn, job, wide).held_out) & set(range(8, 12)), "neither version was fitted to them"
    publish(txn, found(ReconJob(1, 16, 1, 2.0, attempt=2), range(16)))
    assert record_of(txn).version == 2 and record_of(txn).posed == 16
    assert roll_back(txn, Rollback(1, 1), record_of(txn)) and record_of(txn).posed == 12


def test_a_version_has_cameras_of_so_many_images_at_most(txn: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.schedule.MOST_POSED", 8)
    assert due(txn) == []
