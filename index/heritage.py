"""What becomes of shapes when clusters merge or split: their fields are what the next reconstruction starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from index.reading import content_of
from index.records import ClusterRecord, Seed
from index.store import Transaction
from index.tables import CAMERAS, CLUSTERS, SHAPES
from index.totals import write_cluster

if TYPE_CHECKING:
    from index.clustering import LineageEvent

_MOST_SEEDS = 2  # each costs a reconstruction of its own


def hand_down(txn: Transaction, event: LineageEvent) -> None:
    """Notes with the clusters of a merge or split the versions that their next reconstruction may start from.

    A cluster that takes in others gets their shapes beside its own; one that leaves another gets that one's shape, and
    the other keeps it, as its published version. What is left behind counts its growth from now on.
    """
    heir = txn.get(CLUSTERS, event.cluster)
    if heir is None or event.kind not in ("merged", "split"):
        return
    parents = [(other, txn.get(CLUSTERS, other)) for other in event.others]
    seeds = {*heir.seeds, *(seed for other, record in parents if record for seed in _shapes_of(txn, other, record))}
    foreign = [seed for seed in seeds if seed[0] != event.cluster]
    largest = sorted(foreign, key=lambda seed: (-_size(txn, seed), seed))[:_MOST_SEEDS]
    write_cluster(txn, event.cluster, replace(heir, seeds=tuple(largest)))
    for other, record in parents:
        if event.kind == "split" and record is not None and record.attempted_size > record.size:
            left = replace(record, attempted_size=record.size, posed=min(record.posed, record.size))
            write_cluster(txn, other, left)


def starts_of(txn: Transaction, cluster: int, record: ClusterRecord) -> list[Seed]:
    """Versions that a reconstruction of a cluster may start from: its own and those handed down, the largest first.

    How large one is, the images tell that its cluster had when it was recorded.
    """
    own = [(cluster, content_of(txn, cluster, record.version))] if record.version else []
    known = [*own, *(seed for seed in record.seeds if txn.get(SHAPES, seed) is not None)]  # clusters can be deleted
    return sorted(known, key=lambda seed: -_size(txn, seed))


def fitted_images(txn: Transaction, cluster: int) -> set[int]:
    """Images that any published version of a shape was fitted to; each version starts from the one before."""
    places = [place for place, record in txn.scan(SHAPES, prefix=cluster) if record.outcome == "published"]
    return {camera.sample for place in places for camera in txn.get(CAMERAS, place) or [] if camera.fitted}


def _shapes_of(txn: Transaction, cluster: int, record: ClusterRecord) -> list[Seed]:
    if record.version:
        return [(cluster, content_of(txn, cluster, record.version)), *record.seeds]
    return list(record.seeds)


def _size(txn: Transaction, seed: Seed) -> int:
    record = txn.get(SHAPES, seed)
    return record.size or record.views if record is not None else 0
