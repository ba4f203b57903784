"""Carries cluster ids over from one partition to the next and says what happened in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import LineageEvent
from index.records import OUTLIER


def carry_ids(
    old: NDArray[np.int64], groups: NDArray[np.int64], weights: NDArray[np.int64], min_size: int, next_id: int
) -> tuple[NDArray[np.int64], list[LineageEvent], int]:
    """Names the groups of a new partition after the old clusters they overlap most.

    Args:
        old: ``(N,)`` cluster of each item so far, `OUTLIER` for none.
        groups: ``(N,)`` group of each item in the new partition.
        weights: ``(N,)`` vectors each item stands for.
        min_size: groups of less weight than this are outliers.
        next_id: the first cluster id never used.

    Returns:
        ``(N,)`` new cluster ids, the events in order of cluster id, and the next unused id.
    """
    size: dict[int, int] = defaultdict(int)
    overlap: dict[tuple[int, int], int] = defaultdict(int)
    for cluster, group, weight in zip(old.tolist(), groups.tolist(), weights.tolist(), strict=True):
        size[group] += weight
        overlap[cluster, group] += weight
    kept = {group for group, weight in size.items() if weight >= min_size}
    name = _match(overlap, kept)
    fresh = [group for group in sorted(kept) if group not in name]
    names = name | {group: next_id + i for i, group in enumerate(fresh)}
    events = _events(overlap, names, set(fresh))
    labels = np.array([names.get(group, OUTLIER) for group in groups.tolist()], np.int64)
    return labels, events, next_id + len(fresh)


def _match(overlap: dict[tuple[int, int], int], kept: set[int]) -> dict[int, int]:
    """Group -> old id, greedily by overlap; the older cluster wins a tie."""
    name: dict[int, int] = {}
    taken: set[int] = set()
    for (cluster, group), _ in sorted(overlap.items(), key=lambda item: (-item[1], item[0])):
        if cluster != OUTLIER and group in kept and group not in name and cluster not in taken:
            name[group] = cluster
            taken.add(cluster)
    return name


def _events(overlap: dict[tuple[int, int], int], names: dict[int, int], fresh: set[int]) -> list[LineageEvent]:
    """What became of old clusters without a group, and where groups without an old id came from."""
    heir: dict[int, tuple[int, int]] = {}  # old cluster -> (weight, group) of its largest part
    origin: dict[int, tuple[int, int]] = {}  # group -> (weight, old cluster or none) of its largest part
    for (cluster, group), weight in sorted(overlap.items()):
        if cluster != OUTLIER and weight > heir.get(cluster, (0, 0))[0]:
            heir[cluster] = (weight, group)
        if weight > origin.get(group, (0, 0))[0]:
            origin[group] = (weight, cluster)
    alive = set(names.values())
    absorbed: dict[int, list[int]] = defaultdict(list)
    events: list[LineageEvent] = []
    for cluster, (_, group) in heir.items():
        if cluster not in alive and group in names:
            absorbed[names[group]].append(cluster)
        elif cluster not in alive:
            events.append(LineageEvent("dissolved", cluster))
    for group in fresh:
        parent = origin[group][1]
        if parent == OUTLIER:
            events.append(LineageEvent("created", names[group]))
        else:
            events.append(LineageEvent("split", names[group], (parent,)))
    events += [LineageEvent("merged", into, tuple(sorted(parents))) for into, parents in absorbed.items()]
    return sorted(events, key=lambda event: (event.cluster, event.kind))


def dissolved(ended: set[int], events: Sequence[LineageEvent]) -> list[LineageEvent]:
    """Events for clusters that have ended and that no event tells of, in order of cluster id.

    Such are those of nothing but barred micro-clusters, which a regrouping does not know of.
    """
    told = {other for event in events for other in (event.cluster, *event.others)}
    return [LineageEvent("dissolved", cluster) for cluster in sorted(ended - told)]
