"""A batch divided among the parts of a library, such that a position committed by one part is never lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from index.records import ShardRecord
from index.routing import Routing
from index.store import Transaction
from index.stream.batch import Batch, Sample, content_name
from index.stream.tar import DAMAGE
from index.tables import DELETED, REJECTS, SAMPLES, SHARDS, SOURCE_SAMPLES, decode_key, digest
from index.views import ObjectView


@dataclass(frozen=True, slots=True)
class Settled:
    """What one part has committed of a shard.

    Attributes:
        cursor: positions before it are committed.
        objects: how many objects of each of these positions it took, from the one asked for on; what it refused counts
            as one.
    """

    cursor: int = 0
    objects: Mapping[int, int] = field(default_factory=dict)


def settled(txn: Transaction, shard: str, generation: int, start: int) -> Settled:
    """What a part holds of a shard from a position on."""
    name = content_name(shard, generation)
    record = txn.get(SHARDS, digest(name))
    if record is None or record.cursor <= start:
        return Settled(record.cursor if record else 0)
    stored = (decode_key(raw) for raw in txn.keys(SOURCE_SAMPLES, digest(name)))
    taken = [found.index for _, found in txn.many(SAMPLES, list(stored))]
    taken += [gone.index for gone in txn.values(DELETED) if gone.shard == name]
    taken += [refused.index for refused in txn.values(REJECTS) if refused.shard == name]
    return Settled(record.cursor, Counter(position for position in taken if position >= start))


def part_batch(batch: Batch, routing: Routing, known: Sequence[Settled] = ()) -> list[Batch]:
    """What each part is to commit of an embedded batch.

    Each object goes to the part that owns the coarse centroid nearest to it; what is refused goes to the parts in turn,
    and damage to all, since it is where each of their cursors has to wait.

    A batch may come again after some parts have committed it, embedded anew, and on another device a descriptor may
    come out on the other side of a border. So what a part has settled counts: it keeps as many of a position's objects
    as it took then, those nearest to it, and the others go to parts that have not committed the position yet.

    Args:
        batch: embedded.
        routing: of the library.
        known: what each part has settled of the batch's shard; none if no part is ahead.
    """
    parted: list[list[Sample]] = [[] for _ in range(routing.parts)]
    for sample in batch.samples:
        if sample.reject is not None and sample.reject.reason in DAMAGE:
            for samples in parted:
                samples.append(sample)
        elif sample.reject is not None or not _fit(sample.views, routing):
            parted[_next_part(sample.index, routing.parts, known)].append(sample)
        else:
            for part, views in _homes(sample, routing, known).items():
                parted[part].append(replace(sample, views=tuple(views)))
    seconds = batch.embed_seconds / routing.parts  # their sum is told
    return [replace(batch, samples=samples, embed_seconds=seconds, parted=True) for samples in parted]


def _fit(views: Sequence[ObjectView], routing: Routing) -> bool:
    """There are descriptors to go by; the part that is given what has none of use refuses it."""
    shape = routing.centroids.shape[1:]
    return bool(views) and all(view.descriptor.shape == shape and np.isfinite(view.descriptor).all() for view in views)


def _ahead(position: int, known: Sequence[Settled]) -> dict[int, int]:
    """Parts that have committed a position, and how many objects of it they took."""
    return {part: one.objects.get(position, 0) for part, one in enumerate(known) if position < one.cursor}


def _next_part(position: int, parts: int, known: Sequence[Settled]) -> int:
    """The part that a refused position goes to: one that has taken it, or else one that can still take it."""
    ahead = _ahead(position, known)
    if taken := [part for part, objects in ahead.items() if objects]:
        return taken[0]
    behind = [part for part in range(parts) if part not in ahead]
    return behind[position % len(behind)] if behind else position % parts


def _homes(sample: Sample, routing: Routing, known: Sequence[Settled]) -> dict[int, list[ObjectView]]:
    views = list(sample.views)
    near = routing.affinities(np.stack([view.descriptor for view in views]))
    ahead = _ahead(sample.index, known)
    chosen: dict[int, int] = {}
    for part, objects in sorted(ahead.items()):
        free = [place for place in range(len(views)) if place not in chosen]
        nearest = sorted(free, key=lambda place: -near[place, part])
        chosen |= dict.fromkeys(nearest[:objects], part)
    behind = [part for part in range(routing.parts) if part not in ahead]
    homes: dict[int, list[ObjectView]] = {}
    for place, view in enumerate(views):
        if place not in chosen and behind:
            chosen[place] = behind[int(near[place, behind].argmax())]
        if place in chosen:
            homes.setdefault(chosen[place], []).append(view)
    return homes


def joint_records(parts: Sequence[Sequence[ShardRecord]]) -> list[ShardRecord]:
    """How far each shard has been committed by all parts: the record of the one furthest behind.

    A shard that some part knows nothing of is read from its beginning; so is not in the list.
    """
    by_part = [{record.url: record for record in records} for records in parts]
    urls = [url for url in by_part[0] if all(url in records for records in by_part)]
    return [min((records[url] for records in by_part), key=lambda r: (r.done, r.cursor)) for url in urls]
