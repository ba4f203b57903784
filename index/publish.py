"""Recording what a reconstruction found: a version is published only when it beats the one before."""

from __future__ import annotations

import msgspec

from index.changes import Change, record_changes
from index.jobs import PublishReport, ReconJob, ReconOutput
from index.records import ClusterRecord, Outcome, ShapeRecord
from index.schedule import Policy
from index.store import Transaction
from index.tables import ARTIFACTS, CAMERAS, CLUSTERS, MICROS, SAMPLES, SHAPES
from index.totals import add_counts, write_cluster
from ops.clock import wall_time


def publish(txn: Transaction, output: ReconOutput) -> PublishReport:
    """Records a reconstruction and publishes it if it holds a shape better than the version before.

    A result that was recorded already, its acknowledgement lost, is acknowledged again and changes nothing. One whose
    cluster has since been tried again, merged, split, dissolved or mostly lost its images is dropped.
    """
    job = output.job
    cluster = txn.get(CLUSTERS, job.cluster)
    if (known := _recorded(txn, job)) is not None:
        return _report(output, known.outcome, known.version, known.reason)
    if cluster is None or (why := _stale(txn, cluster, output)):
        return _report(output, "stale", 0, why if cluster else "the cluster has vanished")
    outcome, reason = _judge(output)
    version = _record(txn, output, outcome, reason)
    published = outcome == "published"
    changed = msgspec.structs.replace(
        cluster, attempted_size=job.size, attempts=cluster.attempts + 1, failures=0, retry_at=0.0, quarantined=False,
        verdict=output.verdict, reason=reason, version=version if published else cluster.version,
        loss=output.loss if published else cluster.loss,
        at=txn.counters().next_sample if published else cluster.at,
    )  # fmt: skip
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1, published=published)
    record_changes(txn, [Change(outcome, job.cluster, version=version, detail=reason)])
    return _report(output, outcome, version, reason)


def _recorded(txn: Transaction, job: ReconJob) -> ShapeRecord | None:
    last = txn.last_key(SHAPES, prefix=job.cluster)
    record = txn.get(SHAPES, last) if last else None
    return record if record is not None and record.attempt == job.attempt + 1 else None


def _stale(txn: Transaction, cluster: ClusterRecord, output: ReconOutput) -> str:
    """Why a result no longer belongs to its cluster; empty if it does."""
    job = output.job
    if cluster.state != "open":
        return "the cluster was merged into others or dissolved meanwhile"
    if cluster.epoch != job.epoch:
        return "the cluster was merged or split meanwhile"
    if cluster.attempts != job.attempt or cluster.version != job.version:
        return "the cluster was tried again meanwhile"
    # A repair may move images between clusters that both live on, which is no event. Ids follow the largest overlap,
    # and so do results.
    still = sum(_is_member(txn, sample, job.cluster) for sample in output.samples)
    return "most of its images are in other clusters by now" if 2 * still < len(output.samples) else ""


def _is_member(txn: Transaction, sample: int, cluster: int) -> bool:
    record = txn.get(SAMPLES, sample)
    micro = txn.get(MICROS, record.micro) if record is not None else None
    return micro is not None and micro.cluster == cluster


def _report(output: ReconOutput, outcome: str, version: int, reason: str) -> PublishReport:
    return PublishReport(
        output.job.cluster, outcome, version, output.loss, output.warm, output.seconds, reason, output.device
    )


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
        return PublishReport(job.cluster, "stale", 0, 1.0, False, 0.0, "the cluster has changed meanwhile")
    failures = cluster.failures + 1
    changed = msgspec.structs.replace(
        cluster, attempted_size=job.size, attempts=cluster.attempts + 1, failures=failures,
        retry_at=now + policy.pause_s(failures), quarantined=failures >= policy.max_failures, reason=reason,
    )  # fmt: skip
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1)
    record_changes(txn, [Change("failed", job.cluster, detail=reason)])
    return PublishReport(job.cluster, "failed", 0, 1.0, False, 0.0, reason)


def _judge(output: ReconOutput) -> tuple[Outcome, str]:
    if not output.artifacts:
        return "no_shape", output.reason
    if output.job.version and output.loss >= output.baseline_loss:
        return (
            "not_better",
            f"held-out loss {output.loss:.4f}, the version before has {output.baseline_loss:.4f}",
        )
    return "published", output.reason


def _record(txn: Transaction, output: ReconOutput, outcome: Outcome, reason: str) -> int:
    last = txn.last_key(SHAPES, prefix=output.job.cluster)
    version = last[1] + 1 if last else 1
    place = (output.job.cluster, version)
    record = ShapeRecord(
        cluster=output.job.cluster, version=version, outcome=outcome, verdict=output.verdict, reason=reason,
        views=output.views, loss=output.loss, baseline_loss=output.baseline_loss,
        silhouette_iou=output.silhouette_iou, feature_distance=output.feature_distance, warm=output.warm,
        seconds=output.seconds, vertices=output.vertices, faces=output.faces, at=txn.counters().next_sample,
        time=wall_time(), attempt=output.job.attempt + 1, size=output.job.size,
    )  # fmt: skip
    txn.put(SHAPES, place, record)
    txn.put(CAMERAS, place, output.cameras)
    for name, data in output.artifacts.items():
        txn.put(ARTIFACTS, (*place, name), data)
    return version
