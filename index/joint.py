"""What the parts of a library come to together: their reports and schedules as those of one writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from index.ingest import CommitReport, OpenReport, SettleReport
from index.schedule import Schedule
from index.sizes import StoreSizes
from index.summaries import LibraryStatus
from index.totals import Figures


def joint_commit(reports: Sequence[CommitReport]) -> CommitReport:
    """One report of a batch that every part has committed its share of.

    Counts and sizes are sums; recall is weighted by vectors, the drift is the worst part's, and the store is the one
    that has used the most of what it may grow to, since that one fills first.
    """
    return replace(
        reports[0],
        **_totals(reports),
        **_index(reports),
        store=_fullest([report.store for report in reports]),
        cursor=min(report.cursor for report in reports),
        stored=sum(report.stored for report in reports),
        refused=[refused for report in reports for refused in report.refused],
        index_drift=max(report.index_drift for report in reports),
        index_saved=all(report.index_saved for report in reports),
        embed_seconds=sum(report.embed_seconds for report in reports),
        seconds=max(report.seconds for report in reports),
    )


def joint_opened(reports: Sequence[OpenReport]) -> OpenReport:
    """One report of what all parts hold before the first batch."""
    return OpenReport(
        status=joint_status([report.status for report in reports]),
        figures=joint_figures([report.figures for report in reports]),
        store=_fullest([report.store for report in reports]),
        **_index(reports),
    )


def joint_settle(reports: Sequence[SettleReport]) -> SettleReport:
    """One report of a repair of every part."""
    return replace(reports[0], **_totals(reports))


def _index(reports: Sequence[CommitReport] | Sequence[OpenReport]) -> dict[str, Any]:
    """What reports of both kinds tell of the index, of all parts."""
    vectors = sum(report.index_vectors for report in reports)
    found = sum(report.index_recall * report.index_vectors for report in reports)
    return {
        **_sums(reports, "index_vectors", "index_bytes", "clusterer_bytes"),
        "index_recall": found / vectors if vectors else 1.0,
    }


def _totals(reports: Sequence[CommitReport] | Sequence[SettleReport]) -> dict[str, Any]:
    """What reports of both kinds tell, of all parts."""
    return {
        "lineage": _summed(report.lineage for report in reports),
        "figures": joint_figures([report.figures for report in reports]),
        **_sums(reports, "total_images", "total_rejected", "clusters", "outliers", "shapes"),
    }


def joint_figures(parts: Sequence[Figures]) -> Figures:
    """Counts add up; the loss is the mean over shapes."""
    shaped = [part.shaped for part in parts]
    loss = float(np.average([part.loss for part in parts], weights=shaped)) if sum(shaped) else 0.0
    return Figures(sum(shaped), sum(part.shapeless for part in parts), sum(part.retired for part in parts), loss)


def joint_schedule(parts: Sequence[Schedule]) -> Schedule:
    """What there is to reconstruct in all parts, each job with the part it is of."""
    jobs = [replace(job, part=part) for part, found in enumerate(parts) for job in found.jobs]
    figures = [found.figures for found in parts if found.figures is not None]
    stores = [found.store for found in parts if found.store is not None]
    return Schedule(
        sorted(jobs, key=lambda job: (-job.priority, job.part, job.cluster)),
        sum(found.due for found in parts),
        min((found.retry_in_s for found in parts if found.retry_in_s is not None), default=None),
        sum(found.quarantined for found in parts),
        joint_figures(figures) if figures else None,
        _fullest(stores) if stores else None,
    )


def joint_status(parts: Sequence[LibraryStatus]) -> LibraryStatus:
    """Totals of all parts; a shard of the stream is done when it is done in each of them."""
    return replace(
        parts[0],
        rejects_by_reason=_summed(part.rejects_by_reason for part in parts),
        shards=max(part.shards for part in parts),
        shards_done=min(part.shards_done for part in parts),
        **_sums(
            parts, "images", "rejected", "clusters", "outliers", "shapes", "reconstructions", "quarantined",
            "store_bytes",
        ),
    )  # fmt: skip


def _fullest(stores: Sequence[StoreSizes]) -> StoreSizes:
    return max(stores, key=lambda store: store.used / store.limit)


def _sums(parts: Sequence[object], *names: str) -> dict[str, Any]:
    return {name: sum(getattr(part, name) for part in parts) for name in names}


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for one in counts:
        total.update(one)
    return dict(total)
