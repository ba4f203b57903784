"""Records of the store as readers see them: the summaries, and how images and events of a cluster are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

from index.copies import count_copies
from index.moments import shape_summary
from index.paging import decode_cursor
from index.records import OUTLIER, CameraRecord, ClusterRecord, Identity, SampleRecord, ShapeRecord, ShardRecord
from index.store import Transaction
from index.summaries import (
    CameraSummary,
    ClusterSummary,
    ImageSummary,
    LibraryStatus,
    PoseSummary,
    ShapeSummary,
    ShardSummary,
)
from index.tables import (
    CLUSTER_MICROS,
    CLUSTERS,
    MICRO_SAMPLES,
    MICROS,
    QUARANTINED,
    SAMPLES,
    SHAPES,
    SHARDS,
    Table,
    decode_key,
)
from ops.errors import ConfigError, NotFoundError

T = TypeVar("T")


def camera_summary(record: CameraRecord) -> CameraSummary:
    """A camera as readers see it."""
    return CameraSummary(
        record.sample, record.R, record.t, record.fov, record.offset, record.loss, record.weight, record.certainty,
        tuple(PoseSummary(pose.R, pose.t, pose.fov, pose.offset, pose.weight) for pose in record.alternatives),
        record.at,
    )  # fmt: skip


def member_ids(txn: Transaction, cluster: int) -> list[int]:
    """Ids of a cluster's images, ascending."""
    micros = [key[1] for key, _ in txn.scan(CLUSTER_MICROS, prefix=cluster)]
    return sorted(key[1] for micro in micros for key, _ in txn.scan(MICRO_SAMPLES, prefix=micro))


def owner_of(txn: Transaction, micro: int) -> int | None:
    """The cluster a micro-cluster is in; None for outliers."""
    record = txn.get(MICROS, micro)
    return None if record is None or record.cluster == OUTLIER else record.cluster


def owners_of(txn: Transaction, samples: Sequence[int]) -> list[ClusterSummary | None]:
    """The cluster of each image; None for outliers, unknown images and what is in quarantine."""
    apart = txn.count(QUARANTINED) > 0
    micros = {
        sample: record.micro
        for sample, record in txn.many(SAMPLES, samples)
        if not apart or txn.get(QUARANTINED, sample) is None
    }
    homes = {micro: record.cluster for micro, record in txn.many(MICROS, sorted(set(micros.values())))}
    owners = {
        number: None if record.held else cluster_summary(number, record)
        for number, record in txn.many(CLUSTERS, sorted(set(homes.values()) - {OUTLIER}))
    }
    return [owners.get(homes.get(micros.get(sample, -1), OUTLIER)) for sample in samples]


def library_status(txn: Transaction, identity: Identity, store_bytes: int) -> LibraryStatus:
    """Totals of a library, at constant cost."""
    counters = txn.counters()
    return LibraryStatus(
        backbone=identity.backbone,
        fingerprint=identity.fingerprint,
        clusterer=identity.clusterer,
        images=counters.stored,
        rejected=counters.rejected,
        rejects_by_reason=dict(Counter(counters.rejects_by_reason).most_common()),
        shards=txn.count(SHARDS),
        shards_done=counters.shards_done,
        clusters=counters.clusters,
        outliers=counters.stored - counters.clustered,
        shapes=counters.shapes,
        reconstructions=counters.reconstructions,
        quarantined=counters.quarantined,
        store_bytes=store_bytes,
    )


def content_of(txn: Transaction, cluster: int, version: int) -> int:
    """The version under which files and cameras of a version are kept."""
    record = txn.get(SHAPES, (cluster, version))
    return record.content if record is not None else version


def current_versions(txn: Transaction, cluster: int, version: int, *, candidates: bool) -> list[ShapeRecord]:
    """The published version of a shape, and on request the candidates since."""
    if not candidates:
        found = txn.get(SHAPES, (cluster, version))
        return [found] if found is not None else []
    since = (record for _, record in txn.scan(SHAPES, prefix=cluster, start=version))
    return [record for record in since if record.version == version or record.outcome == "candidate"]


def need(txn: Transaction, table: Table[T], key: int | tuple[int | str, ...], what: str) -> T:
    """The value under a key.

    Raises:
        NotFoundError: there is none.
    """
    found = txn.get(table, key)
    if found is None:
        raise NotFoundError(f"there is no {what}")
    return found


def members_of(txn: Transaction, cluster: int, edge: tuple[int, ...] | None) -> Iterator[tuple[int, int]]:
    """Micro-cluster and id of each image of a cluster, beyond a place."""
    micro, sample = edge if edge is not None else (0, -1)
    for key, _ in txn.scan(CLUSTER_MICROS, prefix=cluster, start=micro):
        first = sample + 1 if edge is not None and key[1] == micro else 0
        for place, _ in txn.scan(MICRO_SAMPLES, prefix=key[1], start=first):
            yield key[1], place[1]


def numbers_of(
    txn: Transaction, table: Table[T], index: Table[bytes], cluster: int | None, start: int
) -> Iterator[int]:
    """Numbers of entries from ``start`` on, of all or of one cluster."""
    if cluster is None:
        return (decode_key(raw) for raw in txn.keys(table, after=start - 1 if start else None))
    return (decode_key(raw) for raw in txn.keys(index, cluster, after=start - 1 if start else None))


def start_of(after: str | None) -> int:
    """The number a page begins with, by the cursor that holds the one before."""
    if after is None:
        return 0
    last = decode_cursor(after, 1)[0]
    if last < 0:
        raise ConfigError(f"bad cursor {after!r}; hand back the 'next' of a page as it was given")
    return last + 1


def cluster_summary(cluster: int, r: ClusterRecord) -> ClusterSummary:
    """A cluster as readers see it."""
    return ClusterSummary(
        cluster, r.size, r.state, r.born, r.attempts, r.verdict, r.reason, r.version, r.failures,
        r.quarantined or r.held, max(r.size - r.attempted_size, 0), r.name, r.tags, r.pinned, r.hidden,
        r.spent,
    )  # fmt: skip


def image_of(txn: Transaction, sample: int, cluster: int | None) -> ImageSummary:
    """An image of a cluster as readers see it."""
    return _image_summary(txn, sample, need(txn, SAMPLES, sample, f"image {sample}"), cluster)


def stored_image(txn: Transaction, sample: int) -> ImageSummary:
    """An image as readers see it, with the cluster it is in now."""
    record = need(txn, SAMPLES, sample, f"image {sample}")
    return _image_summary(txn, sample, record, owner_of(txn, record.micro))


def _image_summary(txn: Transaction, sample: int, r: SampleRecord, cluster: int | None) -> ImageSummary:
    return ImageSummary(
        sample, r.key, r.shard, r.url, r.width, r.height, r.box, r.foreground, cluster, r.strength, r.time,
        txn.get(QUARANTINED, sample) is not None, count_copies(txn, sample), r.object,
    )  # fmt: skip


def today(r: ShapeRecord, cluster: ClusterRecord) -> ShapeSummary:
    """A version as readers see it, with what its cluster is today."""
    return shape_summary(r, cluster, cluster.size)


def shard_summary(r: ShardRecord) -> ShardSummary:
    """A shard as readers see it."""
    return ShardSummary(r.url, r.cursor, r.done, r.stored, r.rejected, r.deleted, r.blocked, r.quarantined)
