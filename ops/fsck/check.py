"""Runs all checks on one consistent snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb

from ops.fsck import copies, derived, feed, images, ledger, partition, shapes, shards, vectors, versions
from ops.fsck.findings import Finding, FsckReport, error
from ops.fsck.raw import TABLES, RawState

_SHOWN = 20
Check = Callable[[RawState], Iterator[Finding]]
CHECKS: dict[str, Check] = {
    ledger.IDENTITY: ledger.check_identity,
    ledger.TOTALS: ledger.check_totals,
    images.KEYS: images.check_keys,
    images.DIGESTS: images.check_digests,
    images.VECTORS: images.check_vectors,
    images.PIXELS: images.check_pixels,
    shards.SHARDS: shards.check_shards,
    partition.MICROS: partition.check_micros,
    partition.CLUSTERS: partition.check_clusters,
    partition.CLUSTERER: partition.check_clusterer,
    ledger.LINEAGE: ledger.check_lineage,
    shapes.SHAPES: shapes.check_shapes,
    versions.QUALITY: versions.check_quality,
    derived.LISTS: derived.check_lists,
    derived.LABELS: derived.check_labels,
    derived.PLACES: derived.check_places,
    derived.CHANGES: derived.check_late,
    copies.SIGNATURES: copies.check_signatures,
    copies.COPIES: copies.check_copies,
    feed.FEED: feed.check_feed,
    vectors.INDEX: vectors.check_index,
}


def check_state(folder: Path, on_check: Callable[[str], None] = lambda name: None) -> FsckReport:
    """Checks a state directory, beside a running daemon or without one; changes nothing.

    Args:
        folder: the state directory.
        on_check: is told the name of each check as it begins.

    Raises:
        StateError: it is no state directory, or LMDB cannot open it.
    """
    with RawState(folder) as state:
        records = {table: state.count(table) for table in TABLES}
        report = FsckReport(str(folder), ["records", *CHECKS], records)
        counts: Counter[str] = Counter()
        for name, check in CHECKS.items():
            on_check(name)
            for finding in _guarded(name, check, state):
                counts[finding.check] += 1
                if counts[finding.check] <= _SHOWN:
                    report.findings.append(finding)
        report.findings[:0] = state.damage[:_SHOWN]
        if state.damage:
            counts["records"] = len(state.damage)
        report.counts.update(counts)
    return report


def _guarded(name: str, check: Check, state: RawState) -> Iterator[Finding]:
    # A record may be readable and yet lack a field or hold another type: that is a finding too, not a crash.
    try:
        yield from check(state)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        yield error(name, f"a record does not have the fields it should: {type(problem).__name__} {problem}")
    except lmdb.Error as problem:
        yield error(name, f"LMDB cannot read on: {problem}")
