"""Recording what a reconstruction found: a version that beats the one before is published, any other a candidate."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from index.changes import Change, record_changes
from index.feedback import Restore, hand_back
from index.jobs import PublishReport, ReconJob, ReconOutput
from index.judging import Judgement, judge
from index.posed import add_cameras
from index.records import ClusterRecord, ShapeRecord
from index.schedule import Policy
from index.store import Transaction
from index.tables import ARTIFACTS, CAMERAS, CLUSTERS, MICROS, SAMPLES, SHAPES
from index.totals import add_counts, write_cluster
from ops.clock import wall_time

_SAME = 0.9  # share of its images that a cluster keeps through a merge or split, for a result to be of it still


def publish(txn: Transaction, output: ReconOutput, restore: Restore | None = None) -> PublishReport:
    """Records a reconstruction and publishes it if it holds a shape better than the version before.

    A result that was recorded already, its acknowledgement lost, is acknowledged again and changes nothing. One whose
    cluster has since been tried again, dissolved, lost its images or taken in another's shape is dropped, and counts
    as an attempt.

    Args:
        txn: a write transaction.
        output: the result.
        restore: gets the partition that images which fit a published shape at no pose are handed back to; without it
            they stay where they are.
    """
    job = output.job
    cluster = txn.get(CLUSTERS, job.cluster)
    if (known := _recorded(txn, job)) is not None:
        return _report(output, known.outcome, known.version, known.reason)
    if cluster is None:
        return _report(output, "stale", 0, "the cluster has vanished")
    if why := _stale(txn, cluster, output):
        if cluster.attempts == job.attempt:  # else it may be one whose acknowledgement was lost, and be counted already
            _note(txn, job, msgspec.structs.replace(cluster, spent=cluster.spent + output.seconds))
        return _report(output, "stale", 0, why)
    if job.kind == "register":
        return _registered(txn, cluster, output, restore)
    judgement = judge(output, txn.get(SHAPES, (job.cluster, job.version)) if job.version else None, cluster.seeds)
    outcome, reason = judgement.outcome, judgement.reason
    version = _record(txn, output, judgement)
    published = outcome == "published"
    changed = msgspec.structs.replace(
        cluster, attempted_size=min(job.size, cluster.size), attempts=cluster.attempts + 1, failures=0,
        retry_at=0.0, quarantined=False, seeds=(), verdict=output.verdict, reason=reason,
        version=version if published else cluster.version,
        loss=output.loss if published else cluster.loss,
        at=txn.counters().next_sample if published else cluster.at, seconds=output.seconds,
        turn=txn.counters().reconstructions + 1, searched=_searched(cluster, output),
        certainty=output.certainty or 0.0 if published else cluster.certainty, spent=cluster.spent + output.seconds,
        posed=min(len(output.cameras), cluster.size) if published else cluster.posed,
    )  # fmt: skip
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1, published=published)
    record_changes(txn, [Change(outcome, job.cluster, version=version, detail=reason)])
    report = _report(output, outcome, version, reason)
    return _handed_back(txn, output, report, restore) if published else report


def _handed_back(
    txn: Transaction, output: ReconOutput, report: PublishReport, restore: Restore | None
) -> PublishReport:
    if restore is None:
        return report
    misfits = [camera for camera in output.cameras if camera.sample in set(output.misfits)]
    return replace(report, handed_back=hand_back(txn, output.job.cluster, report.version, misfits, restore))


def _registered(
    txn: Transaction, cluster: ClusterRecord, output: ReconOutput, restore: Restore | None
) -> PublishReport:
    """Gives new images cameras of the published version, which stays as it is."""
    changed, count = add_cameras(txn, cluster, output)
    _note(txn, output.job, changed)
    reason = f"{count} images registered to version {cluster.version}"
    return _handed_back(txn, output, _report(output, "registered", cluster.version, reason), restore)


def _searched(cluster: ClusterRecord, output: ReconOutput) -> int:
    # A first version, of a shape that was handed down, has seen all there is: nothing could judge a rival yet.
    continued = output.warm and output.job.version and output.job.kind != "search"
    return cluster.searched if continued else min(output.job.size, cluster.size)


def _recorded(txn: Transaction, job: ReconJob) -> ShapeRecord | None:
    for _, record in txn.scan(SHAPES, prefix=job.cluster, reverse=True):
        if 0 < record.attempt <= job.attempt + 1:  # roll-backs are of no attempt
            return record if record.attempt == job.attempt + 1 else None
    return None


def _stale(txn: Transaction, cluster: ClusterRecord, output: ReconOutput) -> str:
    """Why a result no longer belongs to its cluster; empty if it does."""
    job = output.job
    if cluster.state != "open":
        return "the cluster was merged into others or dissolved meanwhile"
    if cluster.attempts != job.attempt:
        return "the cluster was tried again meanwhile"
    if cluster.version != job.version:
        return "another version was made the current one meanwhile"
    # A repair may move images between clusters that both live on, which is no event. Ids follow the largest overlap,
    # and so do results.
    still = sum(_is_member(txn, sample, job.cluster) for sample in output.samples)
    if cluster.epoch != job.epoch and (cluster.seeds or still < _SAME * len(output.samples)):
        # What was taken in has a shape to start from, or what was begun with is another object by a good part.
        return "the cluster was merged or split meanwhile"
    return "most of its images are in other clusters by now" if 2 * still < len(output.samples) else ""


def _is_member(txn: Transaction, sample: int, cluster: int) -> bool:
    record = txn.get(SAMPLES, sample)
    micro = txn.get(MICROS, record.micro) if record is not None else None
    return micro is not None and micro.cluster == cluster


def _report(output: ReconOutput, outcome: str, version: int, reason: str) -> PublishReport:
    return PublishReport(
        output.job.cluster, outcome, version, output.loss, output.warm, output.seconds, reason, output.device,
        attempt=output.job.attempt, kind=output.job.kind,
    )  # fmt: skip


def record_failure(txn: Transaction, job: ReconJob, reason: str, policy: Policy, now: float) -> PublishReport:
    """Counts a reconstruction that broke: the cluster is tried again after a pause, and quarantined in the end.

    Args:
        txn: the transaction.
        job: what broke.
        reason: why, in words.
        policy: how long the pauses are and how often it may fail.
        now: Unix time.
    """
    cluster = txn.get(CLUSTERS, job.cluster)
    if cluster is None or cluster.state != "open" or cluster.attempts != job.attempt:
        return _failed(job, "stale", "the cluster has changed meanwhile")
    if job.kind == "register":
        # The published version stands as it did: there is nothing to try again before there is more to see.
        _note(txn, job, msgspec.structs.replace(cluster, posed=cluster.size))
        record_changes(txn, [Change("failed", job.cluster, detail=reason)])
        return _failed(job, "failed", reason)
    failures = cluster.failures + 1
    changed = msgspec.structs.replace(
        cluster, attempted_size=job.size, attempts=cluster.attempts + 1, failures=failures,
        retry_at=now + policy.pause_s(failures), quarantined=failures >= policy.max_failures, reason=reason,
        turn=txn.counters().reconstructions + 1,
    )  # fmt: skip
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1)
    record_changes(txn, [Change("failed", job.cluster, detail=reason)])
    return _failed(job, "failed", reason)


def _note(txn: Transaction, job: ReconJob, changed: ClusterRecord) -> None:
    """Counts a job after which the published version is what it was."""
    turn = txn.counters().reconstructions + 1
    write_cluster(txn, job.cluster, msgspec.structs.replace(changed, attempts=changed.attempts + 1, turn=turn))
    add_counts(txn, reconstructions=1)


def _failed(job: ReconJob, outcome: str, reason: str) -> PublishReport:
    return PublishReport(job.cluster, outcome, 0, 1.0, False, 0.0, reason, attempt=job.attempt, kind=job.kind)


def next_version(txn: Transaction, cluster: int) -> int:
    """The number of the next version of a shape, whatever becomes of it."""
    last = txn.last_key(SHAPES, prefix=cluster)
    return last[1] + 1 if last else 1


def _record(txn: Transaction, output: ReconOutput, judgement: Judgement) -> int:
    version = next_version(txn, output.job.cluster)
    place = (output.job.cluster, version)
    record = ShapeRecord(
        cluster=output.job.cluster, version=version, outcome=judgement.outcome, verdict=output.verdict,
        reason=judgement.reason,
        views=output.views, loss=output.loss, baseline_loss=output.baseline_loss,
        silhouette_iou=output.silhouette_iou, feature_distance=output.feature_distance, warm=output.warm,
        seconds=output.seconds, vertices=output.vertices, faces=output.faces, at=txn.counters().next_sample,
        time=wall_time(), attempt=output.job.attempt + 1, size=output.job.size,
        before=output.job.version, judge=judgement.judge, held_out=output.held_out,
        held_out_loss=output.held_out_loss, level=judgement.level, certainty=output.certainty,
    )  # fmt: skip
    txn.put(SHAPES, place, record)
    txn.put(CAMERAS, place, output.cameras)
    for name, data in output.artifacts.items():
        txn.put(ARTIFACTS, (*place, name), data)
    return version
