"""The feed: everything that changed, numbered, in the transaction that changed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from index.records import ChangeRecord, Counters
from index.store import Transaction
from index.tables import CHANGES, CLUSTER_CHANGES
from index.totals import add_counts, library_loss
from ops.clock import wall_time

KINDS: dict[str, str] = {
    "images": "images were stored",
    "created": "a cluster appeared out of images that were in none",
    "split": "a cluster left another one",
    "merged": "a cluster took in others",
    "dissolved": "a cluster ended, its images are in none",
    "published": "a version of a shape was published",
    "candidate": "a version was recorded that is no better than the published one",
    "rolled_back": "a person made an earlier version of a shape the current one, as a new version",
    "registered": "new images were given cameras of the published version of their cluster's shape",
    "handed_back": "images left a cluster because they fit its shape at no pose",
    "no_shape": "a reconstruction found no shape",
    "failed": "a reconstruction broke",
    "edited": "a person named, tagged, pinned, hid or quarantined a cluster, or took that back",
    "images_deleted": "a person deleted images",
    "images_quarantined": "a person put images in quarantine",
    "images_released": "a person took images out of quarantine",
    "source_deleted": "a person deleted a source",
    "source_quarantined": "a person put a source in quarantine",
    "source_released": "a person took a source out of quarantine",
    "deleted": "a cluster ended because a person deleted its images",
}
"""Every kind of change, and what it means."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is told of a change; the rest is taken from the totals."""

    kind: str
    cluster: int = -1
    others: tuple[int, ...] = ()
    version: int = 0
    count: int = 0
    detail: str = ""


def record_changes(txn: Transaction, changes: Iterable[Change]) -> None:
    """Appends to the feed, with the totals as they are now."""
    counters, now = txn.counters(), wall_time()
    number = counters.next_change
    for change in changes:
        put_change(txn, number, stamped(change, counters, now))
        number += 1
    add_counts(txn, next_change=number - counters.next_change)


def stamped(change: Change, totals: Counters, time: float) -> ChangeRecord:
    """A change with the totals after it."""
    return ChangeRecord(
        change.kind, totals.next_sample, time, change.cluster, change.others, change.version, change.count,
        change.detail, totals.stored, totals.clusters, totals.shapes, library_loss(totals),
    )  # fmt: skip


def put_change(txn: Transaction, number: int, record: ChangeRecord) -> None:
    """Writes one change where it is found by number and by cluster."""
    txn.put(CHANGES, number, record)
    for cluster in {record.cluster, *record.others} - {-1}:
        txn.put(CLUSTER_CHANGES, (cluster, number), b"")
