"""Totals of the library, kept with every change of what they count, so that nobody has to scan for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from index.lists import relist
from index.records import ClusterRecord, Counters
from index.store import Transaction
from index.tables import CLUSTERS, COUNTERS, REJECTS, SHAPES, SHARDS

_NOTHING = dict.fromkeys(("clusters", "clustered", "shapes", "shaped", "loss_millionths", "quarantined", "retired"), 0)
_MILLIONTHS = 1_000_000  # losses are added up as whole numbers: sums of floats depend on their order


def add_counts(txn: Transaction, **deltas: int) -> None:
    """Adds to fields of the counters."""
    counters = txn.counters()
    changed = {name: getattr(counters, name) + delta for name, delta in deltas.items()}
    txn.put_only(COUNTERS, msgspec.structs.replace(counters, **changed))


def count_rejects(txn: Transaction, reasons: Iterable[str]) -> None:
    """Counts what has just been refused, by reason."""
    counters = txn.counters()
    added = Counter(reasons)
    by_reason = Counter(counters.rejects_by_reason) + added
    rejected = counters.rejected + added.total()
    txn.put_only(COUNTERS, msgspec.structs.replace(counters, rejected=rejected, rejects_by_reason=dict(by_reason)))


def uncount_reject(txn: Transaction, reason: str) -> None:
    """Takes back a reject that is none any more."""
    counters = txn.counters()
    by_reason = Counter(counters.rejects_by_reason) - Counter([reason])
    changed = msgspec.structs.replace(counters, rejected=counters.rejected - 1, rejects_by_reason=dict(by_reason))
    txn.put_only(COUNTERS, changed)


def write_cluster(txn: Transaction, cluster: int, record: ClusterRecord) -> None:
    """Sets the record of a cluster and moves the totals by what changed."""
    write_clusters(txn, [(cluster, txn.get(CLUSTERS, cluster), record)])


def write_clusters(txn: Transaction, changes: Iterable[tuple[int, ClusterRecord | None, ClusterRecord]]) -> None:
    """Sets the records of different clusters, whose records so far are told with them, as `write_cluster` does."""
    moved = Counter[str]()
    for cluster, known, record in changes:
        relist(txn, cluster, known, record)
        txn.put(CLUSTERS, cluster, record)
        moved.update(_share(record))
        moved.subtract(_share(known))
    if any(moved.values()):
        add_counts(txn, **moved)


def _share(record: ClusterRecord | None) -> dict[str, int]:
    if record is None or record.state != "open":
        return {**_NOTHING, "retired": int(record is not None)}
    shaped = record.size if record.version else 0
    return {
        **_NOTHING,
        "clusters": 1,
        "clustered": record.size,
        "shapes": int(record.version > 0),
        "shaped": shaped,
        "loss_millionths": shaped * round(record.loss * _MILLIONTHS),
        "quarantined": int(record.quarantined or record.held),
    }


@dataclass(frozen=True, slots=True)
class Figures:
    """What a library comes to: open clusters with a shape and without one, retired ones, and `library_loss`."""

    shaped: int
    shapeless: int
    retired: int
    loss: float


def figures(txn: Transaction) -> Figures:
    """The figures as of a transaction, at constant cost."""
    counters = txn.counters()
    shapeless = counters.clusters - counters.shapes
    return Figures(counters.shapes, shapeless, counters.retired, library_loss(counters))


def library_loss(counters: Counters) -> float:
    """Mean held-out loss of the published shapes, weighted by the images of their clusters; 0 without shapes."""
    return counters.loss_millionths / _MILLIONTHS / counters.shaped if counters.shaped else 0.0


def recount_retired(txn: Transaction) -> None:
    """Counts the clusters that are not open any more, by scanning."""
    retired = sum(_share(record)["retired"] for _, record in txn.scan(CLUSTERS))
    txn.put_only(COUNTERS, msgspec.structs.replace(txn.counters(), retired=retired))


def recount(txn: Transaction) -> None:
    """Counts everything anew, by scanning; completes cluster records by figures of their shape."""
    for (cluster,), record in list(txn.scan(CLUSTERS)):
        shape = txn.get(SHAPES, (cluster, record.version)) if record.version else None
        if shape is not None:
            known = msgspec.structs.replace(record, loss=shape.loss, at=shape.at, certainty=shape.certainty or 0.0)
            txn.put(CLUSTERS, cluster, known)
    totals = Counter[str]()
    for _, record in txn.scan(CLUSTERS):
        totals.update(_share(record))
    reasons = Counter(record.reason for record in txn.values(REJECTS))
    done = sum(record.done for record in txn.values(SHARDS))
    changed = msgspec.structs.replace(
        txn.counters(),
        rejects_by_reason=dict(reasons),
        shards_done=done,
        **{name: totals[name] for name in _NOTHING},
    )
    txn.put_only(COUNTERS, changed)
