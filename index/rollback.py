"""Making an earlier version of a shape the current one: as a new version that stands for it.

Numbers of versions only ever rise, and a version never changes but for cameras of images that came later, so that
caches, exports and readers of the feed may rely on both. The new version has the figures of the earlier one and refers
to its files and cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from index.changes import Change, record_changes
from index.posed import posed_images
from index.publish import next_version
from index.records import ClusterRecord, LineageRecord, ShapeRecord
from index.store import Transaction
from index.tables import CLUSTER_LINEAGE, LINEAGE, SHAPES
from index.totals import add_counts, write_cluster
from ops.clock import wall_time
from ops.errors import NotFoundError, StateError

KIND = "rolled_back"


@dataclass(frozen=True, slots=True)
class Rollback:
    """An earlier version of a shape becomes the current one."""

    cluster: int
    version: int
    type: Literal["rollback"] = "rollback"


def roll_back(txn: Transaction, edit: Rollback, cluster: ClusterRecord) -> bool:
    """Publishes an earlier version anew, and fences off results that were begun from the current one.

    Returns:
        False if that version is the current one already, or what it stands for.

    Raises:
        NotFoundError: the shape has no such version.
        StateError: it was never published, or its cluster has ended.
    """
    wanted = txn.get(SHAPES, (edit.cluster, edit.version)) if 0 < edit.version < 2**63 else None
    if wanted is None:
        raise NotFoundError(f"there is no version {edit.version} of shape {edit.cluster}")
    if wanted.outcome != "published" or cluster.state != "open":
        why = f"the cluster is {cluster.state}" if cluster.state != "open" else f"it is a {wanted.outcome}"
        raise StateError(f"shape {edit.cluster} can't go back to version {edit.version}: {why}")
    current = txn.get(SHAPES, (edit.cluster, cluster.version))
    assert current is not None
    if current.content == wanted.content:
        return False
    _publish_anew(txn, wanted, cluster)
    return True


def _publish_anew(txn: Transaction, wanted: ShapeRecord, cluster: ClusterRecord) -> None:
    shape, at, now = wanted.cluster, txn.counters().next_sample, wall_time()
    version, event = next_version(txn, shape), txn.counters().next_lineage
    reason = f"rolled back from version {cluster.version} to version {wanted.version} by a person"
    record = replace(
        wanted, version=version, reason=reason, at=at, time=now, attempt=0, size=cluster.size, before=cluster.version,
        judge="person", source=wanted.content,
    )  # fmt: skip
    txn.put(SHAPES, (shape, version), record)
    txn.put(LINEAGE, event, LineageRecord(KIND, shape, (), at, now))
    txn.put(CLUSTER_LINEAGE, (shape, event), b"")
    changed = replace(cluster, version=version, loss=wanted.loss, at=at, verdict=wanted.verdict, reason=reason,
                      epoch=event + 1, certainty=wanted.certainty or 0.0,
                      posed=len(posed_images(txn, shape, version)))  # fmt: skip
    write_cluster(txn, shape, changed)
    add_counts(txn, published=1, next_lineage=1)
    record_changes(txn, [Change(KIND, shape, version=version, detail=reason)])
