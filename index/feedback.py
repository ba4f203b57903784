"""What reconstructions tell the clustering: images that fit a shape at no pose are handed back to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from index.changes import Change, record_changes
from index.reading import owner_of
from index.records import OUTLIER, CameraRecord
from index.store import Transaction
from index.tables import CLUSTERS, SAMPLES

if TYPE_CHECKING:
    from index.partition import Partition

Restore = Callable[[Transaction], "Partition"]


def hand_back(
    txn: Transaction, cluster: int, version: int, misfits: Sequence[CameraRecord], restore: Restore
) -> dict[str, int]:
    """Has images leave a cluster whose shape does not explain them, if the clusterer can part with them.

    They are tried in the cluster that suits them best of the others, or become outliers, and never come back to this
    one. Of a cluster of which they are half or more none leaves: it is the shape that is wrong then.

    Args:
        txn: the transaction that publishes the version.
        cluster: its cluster.
        version: the version that they do not fit.
        misfits: their cameras, with the loss at the best pose there is.
        restore: gets the partition; asked for only where there is something to hand back.

    Returns:
        How many were ``moved`` to another cluster, became ``outlier`` or were ``kept``.
    """
    inside = [camera for camera in misfits if _cluster_of(txn, camera.sample) == cluster]
    record = txn.get(CLUSTERS, cluster)
    if not inside or record is None:
        return {}
    if 2 * len(inside) >= record.size or not (partition := restore(txn)).takes_back:
        return {"kept": len(inside)}
    places = partition.hand_back(txn, [camera.sample for camera in inside], txn.counters().next_sample)
    came_of = Counter("outlier" if place == OUTLIER else "moved" for place in places.values())
    losses = [camera.loss for camera in inside]
    told = f"they fit version {version} at no pose, at losses of {min(losses):.3f} to {max(losses):.3f}: "
    told += f"{came_of['moved']} are tried elsewhere, {came_of['outlier']} are outliers"
    others = tuple(sorted(set(places.values()) - {OUTLIER}))
    record_changes(txn, [Change("handed_back", cluster, others, version, len(inside), told)])
    return dict(came_of)


def _cluster_of(txn: Transaction, sample: int) -> int | None:
    record = txn.get(SAMPLES, sample)
    return owner_of(txn, record.micro) if record is not None else None
