"""Recording what a reconstruction found: a version is published only when it beats the one before."""

from __future__ import annotations

import time

import msgspec

from index.jobs import PublishReport, ReconJob, ReconOutput
from index.records import Outcome, ShapeRecord
from index.store import Transaction
from index.tables import ARTIFACTS, CAMERAS, CLUSTERS, SHAPES
from index.totals import add_counts, write_cluster


def publish(txn: Transaction, output: ReconOutput) -> PublishReport:
    """Records a reconstruction and publishes it if it holds a shape better than the version before.

    A result whose cluster has vanished, or has another version than the job started from, is dropped.
    """
    job = output.job
    cluster = txn.get(CLUSTERS, job.cluster)
    if cluster is None or cluster.state != "open" or cluster.version != job.version:
        return PublishReport(job.cluster, "stale", 0, output.loss, output.warm, output.seconds, "cluster has changed")
    outcome, reason = _judge(output)
    version = _record(txn, output, outcome, reason)
    published = outcome == "published"
    changed = msgspec.structs.replace(
        cluster, attempted_size=job.size, attempts=cluster.attempts + 1, failures=0, verdict=output.verdict,
        reason=reason, version=version if published else cluster.version,
        loss=output.loss if published else cluster.loss,
    )  # fmt: skip
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1, published=published)
    return PublishReport(job.cluster, outcome, version, output.loss, output.warm, output.seconds, reason)


def record_failure(txn: Transaction, job: ReconJob, reason: str) -> PublishReport:
    """Counts a reconstruction that broke; the cluster is retried a few times, then only once it has grown."""
    cluster = txn.get(CLUSTERS, job.cluster)
    if cluster is None or cluster.state != "open":
        return PublishReport(job.cluster, "stale", 0, 1.0, False, 0.0, "cluster has changed")
    changed = msgspec.structs.replace(
        cluster,
        attempted_size=job.size,
        attempts=cluster.attempts + 1,
        failures=cluster.failures + 1,
        reason=reason,
    )
    write_cluster(txn, job.cluster, changed)
    add_counts(txn, reconstructions=1)
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
        seconds=output.seconds, vertices=output.vertices, faces=output.faces, at=txn.counters().stored,
        time=time.time(),
    )  # fmt: skip
    txn.put(SHAPES, place, record)
    txn.put(CAMERAS, place, output.cameras)
    for name, data in output.artifacts.items():
        txn.put(ARTIFACTS, (*place, name), data)
    return version
