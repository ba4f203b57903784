"""Images that are given cameras of a published version after it was fitted: only its list of cameras grows."""

from __future__ import annotations

import msgspec

from index.changes import Change, record_changes
from index.jobs import ReconOutput
from index.reading import content_of, member_ids
from index.records import ClusterRecord
from index.store import Transaction
from index.tables import CAMERAS

MOST_POSED = 1000
"""Images of a cluster that are given cameras so; each time the whole list is written."""


def posed_images(txn: Transaction, cluster: int, version: int) -> set[int]:
    """Images that a version of a cluster's shape has cameras of."""
    return {camera.sample for camera in txn.get(CAMERAS, (cluster, content_of(txn, cluster, version))) or []}


def add_cameras(txn: Transaction, record: ClusterRecord, output: ReconOutput) -> tuple[ClusterRecord, int]:
    """Adds the cameras that were found to those of the published version; that has to be the one they were found in.

    Args:
        txn: a write transaction.
        record: of the cluster.
        output: of a job that registered images.

    Returns:
        The record with what has changed, still to be written, and how many cameras there are more.
    """
    cluster, at = output.job.cluster, txn.counters().next_sample
    place = (cluster, content_of(txn, cluster, record.version))
    known = txn.get(CAMERAS, place) or []
    had = {camera.sample for camera in known}
    fresh = [msgspec.structs.replace(camera, at=at) for camera in output.cameras if camera.sample not in had]
    if fresh:
        txn.put(CAMERAS, place, sorted([*known, *fresh], key=lambda camera: camera.sample))
        detail = f"{len(fresh)} images registered to version {record.version}"
        change = Change("registered", cluster, version=record.version, count=len(fresh), detail=detail)
        record_changes(txn, [change])
    had.update(camera.sample for camera in fresh)
    # Without images that are in quarantine there may have been none to register.
    left = sum(sample not in had for sample in member_ids(txn, cluster)) if output.samples else 0
    posed, spent = max(record.size - left, 0), record.spent + output.seconds
    return msgspec.structs.replace(record, posed=posed, spent=spent), len(fresh)
