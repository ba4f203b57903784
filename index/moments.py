"""What the library held at an earlier moment, read from what its records say of their own time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from index.paging import encode_cursor
from index.records import ChangeRecord, ClusterRecord, ShapeRecord
from index.store import Transaction
from index.summaries import ChangeSummary, Page, ShapeSummary
from index.tables import CHANGES, CLUSTERS, SHAPES, decode_key
from ops.errors import NotFoundError

MOST_LOOKED_AT = 2000
"""Shapes that one page looks at, at most."""


def moment(txn: Transaction, images: int | None, time: float | None) -> ChangeSummary:
    """The last change until so many images were committed, or until a time; the latest if neither is given.

    Wall clocks may be set back; where that happened, a time stands for one of the moments that it names.

    Raises:
        NotFoundError: nothing had happened yet.
    """

    def place(number: int) -> float:
        record = _change(txn, number)
        return record.at if images is not None else record.time

    numbers = range(txn.counters().next_change)
    wanted = images if images is not None else time
    count = len(numbers) if wanted is None else bisect_right(numbers, wanted, key=place)
    if not count:
        raise NotFoundError("the library was empty then")
    return change_summary(count - 1, _change(txn, count - 1))


def _change(txn: Transaction, number: int) -> ChangeRecord:
    record = txn.get(CHANGES, number)
    if record is None:
        raise NotFoundError(f"there is no change {number}")
    return record


def shapes_at(txn: Transaction, images: int, start: int, limit: int) -> Page[ShapeSummary]:
    """Shapes published after so many committed images, by id, from one on.

    A page may hold fewer than ``limit`` and yet have a next one: it looks at `MOST_LOOKED_AT` shapes at most.
    """
    found: list[ShapeSummary] = []
    candidates = _shaped(txn, start)
    last: int | None = None
    for last in islice(candidates, MOST_LOOKED_AT):
        cluster = txn.get(CLUSTERS, last)
        version = _version_at(txn, last, images)
        if cluster is not None and version is not None and not 0 < cluster.ended <= images:
            found.append(shape_summary(version, cluster, version.size or version.views))
        if len(found) == limit:
            break
    more = last is not None and next(candidates, None) is not None
    return Page(found, encode_cursor(last) if more and last is not None else None)


def _shaped(txn: Transaction, start: int) -> Iterator[int]:
    """Clusters with any version, from one on, whether they are open or not."""
    while (raw := next(txn.keys(SHAPES, after=(start - 1, 2**64 - 1) if start else None), None)) is not None:
        cluster = decode_key(raw[:8])
        yield cluster
        start = cluster + 1


def _version_at(txn: Transaction, cluster: int, images: int) -> ShapeRecord | None:
    for _, record in txn.scan(SHAPES, prefix=cluster, reverse=True):
        if record.outcome == "published" and record.at <= images:
            return record
    return None


def shape_summary(r: ShapeRecord, cluster: ClusterRecord, images: int) -> ShapeSummary:
    """A version with what is known of its cluster."""
    return ShapeSummary(
        r.cluster, r.version, r.outcome, r.verdict, r.reason, images, r.views, r.loss, r.baseline_loss,
        r.silhouette_iou, r.feature_distance, r.warm, r.seconds, r.vertices, r.faces, r.at, r.time,
        max(cluster.size - cluster.attempted_size, 0), cluster.name, cluster.tags, cluster.pinned, cluster.hidden,
        r.judge, r.before, r.held_out, r.held_out_loss, r.level, r.source, r.certainty,
    )  # fmt: skip


def change_summary(number: int, r: ChangeRecord) -> ChangeSummary:
    """A change as readers see it."""
    return ChangeSummary(
        number, r.kind, r.at, r.time, None if r.cluster < 0 else r.cluster, r.others, r.version or None, r.count,
        r.detail, r.images, r.clusters, r.shapes, r.loss,
    )  # fmt: skip
