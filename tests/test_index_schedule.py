from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from index import schedule as module
from index.jobs import FIELD, MESH, ReconJob, ReconOutput
from index.publish import publish, record_failure
from index.records import CameraRecord, ClusterRecord, MicroRecord, SampleRecord, ShapeRecord
from index.rollback import Rollback, roll_back
from index.schedule import Policy, recon_input, schedule
from index.store import Store, Transaction
from index.tables import (
    ARTIFACTS,
    CAMERAS,
    CLUSTER_MICROS,
    CLUSTERS,
    CROPS,
    MASKS,
    MICRO_SAMPLES,
    MICROS,
    SAMPLES,
    SHAPES,
)
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
    return ReconOutput(
        job, verdict, "why", loss, baseline, 0.8, 0.2, 12, job.version > 0, 1.5, artifacts=artifacts,
        held_out=4 if job.version else 0, held_out_loss=loss if job.version else 0.0,
    )  # type: ignore[arg-type]  # fmt: skip


def due(txn: Transaction, now: float = 0.0) -> list[int]:
    return [job.cluster for job in schedule(txn, POLICY, now).jobs]


def record_of(txn: Transaction, cluster: int = 1) -> ClusterRecord:
    found = txn.get(CLUSTERS, cluster)
    assert found is not None
    return found


def test_a_cluster_is_due_at_first_size_and_then_by_growth(txn: Transaction) -> None:
    txn.put(CLUSTERS, 0, ClusterRecord(size=9))
    txn.put(CLUSTERS, 1, ClusterRecord(size=10))
    txn.put(CLUSTERS, 2, ClusterRecord(size=29, attempted_size=20))
    txn.put(CLUSTERS, 3, ClusterRecord(size=60, attempted_size=20))
    txn.put(CLUSTERS, 4, ClusterRecord(size=30, attempted_size=20))
    txn.put(CLUSTERS, 5, ClusterRecord(size=99, state="retired"))
    assert sorted(due(txn)) == [1, 3, 4]


ENDED = replace(POLICY, last=1.1, max_fitted=40, search=1.5, sure=0.85, ended=True)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (ClusterRecord(size=9), None),
        (ClusterRecord(size=21, attempted_size=20), None),
        (ClusterRecord(size=22, attempted_size=20), "fit"),
        (ClusterRecord(size=22, attempted_size=20, version=1, certainty=0.9, searched=20), "fit"),
        (ClusterRecord(size=22, attempted_size=20, version=1, certainty=0.8, searched=20), "search"),
        (ClusterRecord(size=28, attempted_size=25, version=1, certainty=0.8, searched=26), "fit"),
        (ClusterRecord(size=59, attempted_size=40), None),  # a fit sees no more than 40 of them
        (ClusterRecord(size=60, attempted_size=40, version=1, certainty=0.8, searched=37), "fit"),
        (ClusterRecord(size=60, attempted_size=40, version=1, certainty=0.8, searched=36), "search"),
    ],
)
def test_once_the_stream_has_ended_what_has_grown_by_little_is_due_once_more(
    txn: Transaction, record: ClusterRecord, kind: str | None
) -> None:
    txn.put(CLUSTERS, 1, record)
    assert [job.kind for job in schedule(txn, ENDED, 0.0).jobs] == [kind] * (kind is not None)
    before = schedule(txn, replace(ENDED, ended=False), 0.0).jobs
    assert [job.kind for job in before] == ([kind] if record.attempted_size == 40 and record.size == 60 else [])


@pytest.mark.parametrize("searched", [28, 36, 37])
def test_a_fit_that_sees_all_it_ever_will_is_searched_anew_for_a_tenth_more(txn: Transaction, searched: int) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=60, attempted_size=28, version=1, searched=searched))
    jobs = schedule(txn, replace(SEARCHING, last=1.1), 0.0).jobs
    assert [job.kind for job in jobs] == ["search" if searched < 37 else "fit"]


def test_a_first_search_is_brief_only_where_another_may_follow() -> None:
    assert [replace(ENDED, ended=False).is_brief(images) for images in (16, 36, 37)] == [True, True, False]
    assert not ENDED.is_brief(16)


def test_of_very_many_only_the_most_due_are_handed_out(txn: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_JOBS", 3)
    for cluster in range(10):
        txn.put(CLUSTERS, cluster, ClusterRecord(size=20 + 10 * cluster, attempted_size=10))
    found = schedule(txn, POLICY, 0.0)
    assert [job.cluster for job in found.jobs] == [9, 8, 7] and found.due == 10


def test_failures_back_off_then_the_cluster_is_quarantined_until_it_grows(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=10))
    now = 1_000_000.0
    for pause in (10.0, 20.0):
        (job,) = schedule(txn, POLICY, now).jobs
        failed = record_failure(txn, job, "broke", POLICY, now)
        assert (failed.outcome, failed.job) == ("failed", job.label)
        waiting = schedule(txn, POLICY, now + 1.0)
        assert (waiting.jobs, waiting.retry_in_s, waiting.quarantined) == ([], pause - 1.0, 0)
        now += pause
    (job,) = schedule(txn, POLICY, now).jobs
    record_failure(txn, job, "broke for good", POLICY, now)
    left = schedule(txn, POLICY, now + 1e6)
    assert (left.jobs, left.retry_in_s, left.quarantined) == ([], None, 1)
    record = record_of(txn)
    assert (record.failures, record.quarantined, record.reason) == (3, True, "broke for good")
    txn.put(CLUSTERS, 1, msgspec.structs.replace(record, size=15))
    assert due(txn, now) == [] and due(txn, now + 40.0) == [1]


def test_a_success_ends_the_quarantine(txn: Transaction) -> None:
    failing = ClusterRecord(size=15, attempted_size=10, attempts=3, failures=3, quarantined=True, retry_at=5.0)
    txn.put(CLUSTERS, 1, failing)
    (job,) = schedule(txn, POLICY, 10.0).jobs
    assert publish(txn, output(job)).outcome == "published"
    assert (record_of(txn).failures, record_of(txn).quarantined, record_of(txn).retry_at) == (0, False, 0.0)


def test_a_clock_that_is_set_back_holds_no_retry_up(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=10))
    (job,) = schedule(txn, POLICY, 7200.0).jobs
    record_failure(txn, job, "broke", POLICY, 7200.0)
    assert due(txn, 7200.0) == [] and due(txn, 3600.0) == [1] and due(txn, 7200.0 + 365 * 86400) == [1]


def test_pauses_do_not_grow_without_bound() -> None:
    assert POLICY.pause_s(1) == 10.0 and POLICY.pause_s(4) == 80.0
    assert POLICY.pause_s(60) == 3600.0


def test_input_is_spread_over_the_members_and_its_job_is_of_the_same_moment(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=20, version=2, attempted_size=10, attempts=3, epoch=7))
    for micro in (7, 8):
        txn.put(CLUSTER_MICROS, (1, micro), b"")
    for sample in range(20):
        txn.put(MICRO_SAMPLES, (7 + sample % 2, sample), b"")
        txn.put(CROPS, sample, b"c%d" % sample)
        txn.put(MASKS, sample, b"m%d" % sample)
    txn.put(ARTIFACTS, (1, 2, FIELD), b"old field")
    turn = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    old = [CameraRecord(s, turn, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0, s != 13) for s in (0, 13)]
    txn.put(CAMERAS, (1, 2), old)
    txn.put(SHAPES, (1, 2), ShapeRecord(1, 2, "published", "shape", "", 2, 0.3, 1.0, 0.5, 0.5, False, 1.0))
    few = replace(POLICY, min_views=2)
    given = recon_input(txn, ReconJob(1, 15, 1, 1.5, attempt=2, epoch=6), few)
    assert given.job == ReconJob(1, 20, 2, 2.0, attempt=3, epoch=7)
    assert given.samples == [0, 6, 13, 19]
    assert given.crops[1] == b"c6" and given.masks[3] == b"m19" and given.field == b"old field"
    assert given.starts == (b"old field",)
    assert recon_input(txn, ReconJob(1, 15, 1, 1.5), replace(POLICY, min_views=4)).held_out == (), (
        "none could be spared"
    )
    assert len(given.held_out) == 1 and set(given.held_out) < {6, 13, 19}
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
    write_cluster(txn, 1, msgspec.structs.replace(record_of(txn), size=30))
    worse = publish(txn, output(ReconJob(1, 20, 1, 1.5, attempt=1), loss=0.31, baseline=0.30))
    assert (worse.outcome, worse.version, worse.job) == ("candidate", 2, "1.2")
    assert worse.reason == "no better than version 1 on 4 images that neither was fitted to: loss 0.3100 against 0.3000"
    record = txn.get(CLUSTERS, 1)
    assert record is not None and (record.version, record.attempted_size) == (1, 20)
    kept = txn.get(SHAPES, (1, 2))
    assert kept is not None and (kept.outcome, kept.level, kept.held_out_loss) == ("candidate", 0.0, 0.31)
    better = publish(txn, output(ReconJob(1, 30, 1, 1.5, attempt=2), loss=0.29, baseline=0.30))
    assert (better.outcome, better.version) == ("published", 3)
    assert better.reason.startswith("better than version 1 on 4 images that neither was fitted to: loss 0.2900 against")
    shape = txn.get(SHAPES, (1, 3))
    assert shape is not None and (shape.judge, shape.before) == ("held_out", 1)
    assert shape.level == pytest.approx(0.3 * 0.29 / 0.30)


def test_a_result_that_nothing_can_judge_is_a_candidate_however_good(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=12))
    publish(txn, output(ReconJob(1, 12, 0, 1.0)))
    alone = replace(output(ReconJob(1, 20, 1, 1.5, attempt=1), loss=0.01), held_out=0, held_out_loss=0.0)
    report = publish(txn, alone)
    assert (report.outcome, report.reason) == (
        "candidate",
        "no image judges it that version 1 was not fitted to",
    )
    assert record_of(txn).version == 1


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


STALE = {
    "vanished": None,
    "merged into others": ClusterRecord(state="retired"),
    "merged or split": ClusterRecord(size=12, epoch=4, seeds=((2, 1),)),
    "tried again": ClusterRecord(size=12, attempts=1),
    "another version was made": ClusterRecord(size=12, version=5),
}


@pytest.mark.parametrize("why", STALE)
def test_a_result_for_a_cluster_that_has_changed_is_dropped(txn: Transaction, why: str) -> None:
    record = STALE[why]
    if record is not None:
        txn.put(CLUSTERS, 1, record)
    found = output(ReconJob(1, 12, 0, 1.0))
    report = publish(txn, found)
    assert report.outcome == "stale" and why in report.reason
    assert txn.count(SHAPES) == 0 and txn.count(ARTIFACTS) == 0
    counted = record is not None and record.attempts == 0
    noted = record and msgspec.structs.replace(record, spent=found.seconds, attempts=1, turn=1) if counted else record
    assert txn.get(CLUSTERS, 1) == noted and txn.counters().reconstructions == counted
    assert publish(txn, found).outcome == "stale" and txn.get(CLUSTERS, 1) == noted


@pytest.mark.parametrize(
    ("epoch", "moved", "outcome"),
    [
        (0, 0, "published"),
        (0, 6, "published"),
        (0, 7, "stale"),
        (0, 12, "stale"),
        (4, 0, "published"),
        (4, 1, "published"),
        (4, 2, "stale"),
    ],
)
def test_a_result_follows_its_images(txn: Transaction, epoch: int, moved: int, outcome: str) -> None:
    """A repair may move images between clusters without an event; a merge or split may leave nearly all in theirs."""
    for image in range(12):
        owner = 2 if image < moved else 1
        txn.put(MICROS, image, MicroRecord(image, 1, owner))
        txn.put(SAMPLES, image, SampleRecord("k", "s", image, "", 1, 1, (0, 0, 1, 1), 0.5, "", image, 1.0, 0.0))
    txn.put(CLUSTERS, 1, ClusterRecord(size=20, epoch=epoch))
    found = replace(output(ReconJob(1, 12, 0, 1.0)), samples=list(range(12)))
    assert publish(txn, found).outcome == outcome


def test_what_a_split_leaves_counts_its_growth_from_then_on(txn: Transaction) -> None:
    write_cluster(txn, 1, ClusterRecord(size=11, epoch=4))
    assert publish(txn, output(ReconJob(1, 12, 0, 1.0))).outcome == "published"
    record = record_of(txn)
    assert record.attempted_size == record.searched == 11 and record.posed <= 11


@pytest.mark.parametrize("found", ["published", "no_shape"])
def test_a_result_whose_acknowledgement_was_lost_is_recorded_once(txn: Transaction, found: str) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=12))
    result = output(ReconJob(1, 12, 0, 1.0), found=found == "published")
    first = publish(txn, result)
    state = (txn.get(CLUSTERS, 1), txn.counters(), txn.count(SHAPES))
    assert publish(txn, result) == first and first.outcome == found
    assert (txn.get(CLUSTERS, 1), txn.counters(), txn.count(SHAPES)) == state


def test_a_failure_whose_acknowledgement_was_lost_counts_once(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=12))
    job = ReconJob(1, 12, 0, 1.0)
    record_failure(txn, job, "broke", POLICY, 0.0)
    state = (txn.get(CLUSTERS, 1), txn.counters())
    assert record_failure(txn, job, "broke", POLICY, 0.0).outcome == "stale"
    assert (txn.get(CLUSTERS, 1), txn.counters()) == state


SEARCHING = replace(POLICY, search=1.5, max_fitted=40, sure=0.85)


def searches(txn: Transaction) -> list[int]:
    return [job.cluster for job in schedule(txn, SEARCHING, 0.0).jobs if job.kind == "search"]


def test_a_shape_is_searched_anew_as_it_grows_once_a_fit_has_half_as_many_images_again(txn: Transaction) -> None:
    shape = ClusterRecord(size=30, attempted_size=20, version=1, searched=20)
    txn.put(CLUSTERS, 1, shape)
    others = {
        2: {"searched": 21}, 3: {"version": 0}, 4: {"held": True}, 5: {"failures": 1}, 6: {"state": "retired"},
        7: {"attempted_size": 21}, 8: {"size": 90, "attempted_size": 40, "searched": 27}, 9: {"searched": 0},
    }  # fmt: skip
    for cluster, fields in others.items():
        txn.put(CLUSTERS, cluster, msgspec.structs.replace(shape, **fields))
    assert sorted(searches(txn)) == [1, 5, 9], "the seventh has not grown, and a fit of the eighth sees 40 images"
    assert not any(job.kind == "search" for job in schedule(txn, POLICY, 0.0).jobs), "never, unless told when"


def test_a_shape_whose_cameras_are_most_likely_right_is_not_searched_anew(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=30))
    first = publish(txn, replace(output(ReconJob(1, 20, 0, 1.0)), certainty=0.84))
    assert record_of(txn).certainty == 0.84 and searches(txn) == [1]
    worse = replace(output(ReconJob(1, 20, 1, 1.5, attempt=1), loss=0.9, baseline=0.5), warm=True, certainty=0.99)
    assert publish(txn, worse).outcome == "candidate"
    assert record_of(txn).certainty == 0.84, "what was not published says nothing of what is"
    assert searches(txn) == [1]
    better = replace(output(ReconJob(1, 20, 1, 1.5, attempt=2), loss=0.1), warm=True, certainty=0.85)
    assert publish(txn, better).outcome == "published" and record_of(txn).certainty == 0.85
    assert searches(txn) == [] and due(txn) == [1] and record_of(txn).searched == 20
    assert schedule(txn, replace(SEARCHING, sure=1.0), 0.0).jobs[0].kind == "search"
    assert roll_back(txn, Rollback(1, first.version), record_of(txn))
    assert record_of(txn).certainty == 0.84 and searches(txn) == [1]


def test_seconds_of_all_attempts_are_added_up_for_a_cluster(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=30))
    publish(txn, output(ReconJob(1, 20, 0, 1.0)))
    worse = replace(output(ReconJob(1, 30, 1, 1.0, attempt=1), loss=0.9, baseline=0.5), seconds=3.5)
    assert publish(txn, worse).outcome == "candidate"
    assert record_of(txn).spent == 1.5 + 3.5


def test_a_first_search_may_be_brief_if_the_cluster_can_grow_into_another(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=28))
    txn.put(CLUSTER_MICROS, (1, 1), b"")
    for image in range(26):
        txn.put(MICRO_SAMPLES, (1, image), b"")
    job, policy = ReconJob(1, 26, 0, 1.0), replace(SEARCHING, max_images=100)
    assert recon_input(txn, job, policy).brief, "with 39 images it will be searched again, if need be"
    assert not recon_input(txn, job, replace(POLICY, max_images=100)).brief, "published shapes are never searched anew"
    txn.put(MICRO_SAMPLES, (1, 26), b"")
    assert not recon_input(txn, job, policy).brief, "a fit sees 40 images, and no more"


def test_a_search_starts_from_nothing_else_and_is_judged_by_most_of_what_the_version_has_not_seen(
    txn: Transaction,
) -> None:
    write_cluster(txn, 1, ClusterRecord(size=30, attempted_size=30, version=1, seeds=((2, 1),)))
    txn.put(CLUSTER_MICROS, (1, 1), b"")
    for image in range(30):
        txn.put(MICRO_SAMPLES, (1, image), b"")
    for cluster in (1, 2):
        record = ShapeRecord(cluster, 1, "published", "shape", "", 24, 0.3, 1.0, 0.5, 0.5, False, 1.0, size=24)
        turn = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
        seen = [CameraRecord(i, turn, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0) for i in range(24)]
        txn.put(SHAPES, (cluster, 1), record)
        txn.put(CAMERAS, (cluster, 1), seen)
        txn.put(ARTIFACTS, (cluster, 1, FIELD), b"%d" % cluster)
    policy = replace(SEARCHING, max_images=40)
    given = recon_input(txn, ReconJob(1, 30, 1, 1.0, kind="search"), policy)
    assert given.job.kind == "search" and given.starts == (b"1",) and given.held_out == tuple(range(24, 30))
    continued = recon_input(txn, ReconJob(1, 30, 1, 1.0), policy)
    assert continued.job.kind == "fit" and continued.starts == (b"1", b"2") and len(continued.held_out) == 3


@pytest.mark.parametrize("stands", [True, False])
def test_what_a_search_finds_is_a_version_as_any(txn: Transaction, stands: bool) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=30))
    publish(txn, output(ReconJob(1, 20, 0, 1.0)))
    job = ReconJob(1, 30, 1, 1.0, attempt=1, kind="search")
    report = publish(txn, replace(output(job, loss=0.2, baseline=0.3), warm=stands))
    assert (report.outcome, report.version, report.start) == ("published", 2, "search")
    assert record_of(txn).searched == 30 and searches(txn) == [] == due(txn)


def test_to_continue_a_shape_is_no_search(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=30))
    publish(txn, output(ReconJob(1, 20, 0, 1.0)))
    publish(txn, replace(output(ReconJob(1, 30, 1, 1.5, attempt=1)), warm=True))
    assert record_of(txn).searched == 20


def test_a_search_that_breaks_is_tried_again(txn: Transaction) -> None:
    txn.put(CLUSTERS, 1, ClusterRecord(size=30))
    publish(txn, output(ReconJob(1, 20, 0, 1.0)))
    report = record_failure(txn, ReconJob(1, 30, 1, 1.0, attempt=1, kind="search"), "broke", SEARCHING, 0.0)
    assert (report.outcome, report.kind) == ("failed", "search")
    assert record_of(txn).failures == 1 and record_of(txn).version == 1
    assert [job.kind for job in schedule(txn, SEARCHING, 60.0).jobs] == ["search"]
