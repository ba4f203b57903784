"""Everything that is derived from the records of a store, made anew; for stores of older versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from index.changes import Change, put_change, stamped
from index.lists import add_source, relist
from index.records import ChangeRecord, LineageRecord, ShapeRecord
from index.store import Transaction
from index.tables import (
    CHANGES,
    CLUSTER_LINEAGE,
    CLUSTERS,
    LINEAGE,
    MICRO_SAMPLES,
    MICROS,
    REASONS,
    REJECTS,
    SAMPLES,
    SHAPES,
    SHARD_NAMES,
    SHARDS,
    SOURCE_SAMPLES,
    digest,
    shard_place,
)
from index.totals import add_counts

ENDING = frozenset({"dissolved", "deleted"})


def derive(txn: Transaction) -> None:
    """Fills the derived tables and fields from the records; the feed too, as far as lineage and versions tell it."""
    _complete_clusters(txn)
    for (cluster,), record in list(txn.scan(CLUSTERS)):
        relist(txn, cluster, None, record)
    _derive_sources(txn)
    for (number,), reject in txn.scan(REJECTS):
        txn.put(REASONS, (digest(reject.reason), number), b"")
    for (number,), event in txn.scan(LINEAGE):
        for cluster in (event.cluster, *event.others):
            txn.put(CLUSTER_LINEAGE, (cluster, number), b"")
    if not txn.count(CHANGES):
        _derive_changes(txn)


def ended_by(event: LineageRecord) -> tuple[int, ...]:
    """Clusters that an event ended."""
    if event.kind in ENDING:
        return (event.cluster,)
    return event.others if event.kind == "merged" else ()


def _complete_clusters(txn: Transaction) -> None:
    ended = {cluster: event.at for _, event in txn.scan(LINEAGE) for cluster in ended_by(event)}
    for (cluster,), record in list(txn.scan(CLUSTERS)):
        shape = txn.get(SHAPES, (cluster, record.version)) if record.version else None
        changed = msgspec.structs.replace(record, at=shape.at if shape else 0, ended=ended.get(cluster, 0))
        txn.put(CLUSTERS, cluster, changed)


def _derive_sources(txn: Transaction) -> None:
    for raw, record in list(txn.named(SHARDS)):
        txn.put(SHARD_NAMES, shard_place(record.url), raw.encode())
    held: Counter[tuple[int, str]] = Counter()
    owners = {record.id: record.cluster for record in txn.values(MICROS)}
    for (sample,), image in txn.scan(SAMPLES):
        source = digest(image.shard)
        txn.put(SOURCE_SAMPLES, (source, sample), b"")
        txn.put(MICRO_SAMPLES, (image.micro, sample), source.encode())
        held[owners[image.micro], source] += 1
    for (cluster, source), count in held.items():
        if cluster >= 0:
            add_source(txn, cluster, source, count)


def _derive_changes(txn: Transaction) -> None:
    number, at = 0, 0
    for change in _history(txn):
        put_change(txn, number, change)
        number, at = number + 1, change.at
    totals = txn.counters()
    latest = next(txn.scan(SAMPLES, reverse=True), None)
    if latest is not None:  # what came since the last event that is told, and the totals there are
        since = Change("images", count=totals.next_sample - at, detail="stored by an older version")
        put_change(txn, number, stamped(since, totals, latest[1].time))
        number += 1
    add_counts(txn, next_change=number)


def _history(txn: Transaction) -> Iterator[ChangeRecord]:
    """Lineage and versions in the order of the stream, with the totals that follow from them."""
    events: list[LineageRecord | ShapeRecord] = [*txn.values(LINEAGE), *txn.values(SHAPES)]
    alive: set[int] = set()
    shaped: set[int] = set()
    for event in sorted(events, key=lambda each: each.at):  # stable: what is told of one moment keeps its order
        if isinstance(event, LineageRecord):
            alive.add(event.cluster)
            alive.difference_update(ended_by(event))
            kind, others, version, detail = event.kind, event.others, 0, ""
        else:
            shaped |= {event.cluster} if event.outcome == "published" else set()
            kind, others, version, detail = event.outcome, (), event.version, event.reason
        yield ChangeRecord(
            kind, event.at, event.time, event.cluster, tuple(others), version, 0, detail, event.at, len(alive),
            len(alive & shaped),
        )  # fmt: skip
