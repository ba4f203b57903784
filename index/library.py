"""The shape library as readers see it: consistent snapshots while the daemon goes on writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_crop, decode_mask, decode_vector
from index.migrations import check_current
from index.paging import decode_cursor, paginate
from index.records import OUTLIER, ClusterRecord, SampleRecord, ShapeRecord
from index.store import Store, Transaction
from index.summaries import (
    CameraSummary,
    ClusterSummary,
    ImageSummary,
    LibraryStatus,
    LineageSummary,
    Page,
    RejectSummary,
    ShapeSummary,
    ShardSummary,
)
from index.tables import (
    ARTIFACTS,
    CAMERAS,
    CLUSTER_MICROS,
    CLUSTERS,
    CROPS,
    IDENTITY,
    LINEAGE,
    MASKS,
    MICRO_SAMPLES,
    MICROS,
    REJECTS,
    SAMPLES,
    SHAPES,
    SHARDS,
    VECTORS,
    Table,
)
from ops.errors import NotFoundError, StateError

Order = Literal["id", "size"]
T = TypeVar("T")
S = TypeVar("S", ClusterSummary, ShapeSummary)


def open_library(folder: str | Path) -> Library:
    """Opens a state directory for reading, beside a running daemon or without one.

    Raises:
        StateError: it is not a state directory, or another version's.
    """
    store = Store(Path(folder), readonly=True)
    try:
        check_current(store)
    except StateError:
        store.close()
        raise
    return Library(store)


class Library:
    """Reads of a shape library; every call sees one consistent state."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def status(self) -> LibraryStatus:
        """Totals of the whole library."""
        with self._store.read() as txn:
            identity = txn.only(IDENTITY)
            if identity is None:
                raise StateError(f"{self._store.folder} is empty; `shapelode run` has not started on it yet")
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
                store_bytes=self._store.size_bytes(),
            )

    def shards(self) -> list[ShardSummary]:
        """Every shard that was opened, by URL."""
        with self._store.read() as txn:
            found = [ShardSummary(r.url, r.cursor, r.done, r.stored, r.rejected) for r in txn.values(SHARDS)]
        return sorted(found, key=lambda shard: shard.url)

    def clusters(
        self,
        *,
        order: Order = "size",
        after: str | None = None,
        limit: int = 50,
        min_size: int = 1,
        quarantined: bool = False,
    ) -> Page[ClusterSummary]:
        """Clusters, largest first or by id; all of them, or only those that are quarantined."""
        with self._store.read() as txn:
            found = [
                _cluster(key[0], record)
                for key, record in txn.scan(CLUSTERS)
                if record.size >= min_size and (record.quarantined or not quarantined)
            ]
        return _ordered_page(found, order, after, limit)

    def cluster(self, cluster: int) -> ClusterSummary:
        """One cluster.

        Raises:
            NotFoundError: there is none with this id.
        """
        with self._store.read() as txn:
            return _cluster(cluster, _need(txn, CLUSTERS, cluster, f"cluster {cluster}"))

    def members(self, cluster: int, *, after: str | None = None, limit: int = 50) -> Page[ImageSummary]:
        """Images of a cluster, by id.

        Raises:
            NotFoundError: there is no such cluster.
        """
        with self._store.read() as txn:
            _need(txn, CLUSTERS, cluster, f"cluster {cluster}")
            least = decode_cursor(after, 1)[0] if after else -1
            ids = [sample for sample in member_ids(txn, cluster) if sample > least]
            images = (_image(txn, sample, cluster) for sample in ids)
            return paginate(images, limit, lambda image: (image.id,))

    def images(self, *, after: str | None = None, limit: int = 50) -> Page[ImageSummary]:
        """All stored images, by id."""
        start = decode_cursor(after, 1)[0] + 1 if after else 0
        with self._store.read() as txn:
            found = (
                _image_summary(key[0], record, owner_of(txn, record.micro))
                for key, record in txn.scan(SAMPLES, start=start)
            )
            return paginate(found, limit, lambda image: (image.id,))

    def image(self, sample: int) -> ImageSummary:
        """One stored image.

        Raises:
            NotFoundError: there is none with this id.
        """
        with self._store.read() as txn:
            record = _need(txn, SAMPLES, sample, f"image {sample}")
            return _image_summary(sample, record, owner_of(txn, record.micro))

    def crop(self, sample: int) -> NDArray[np.uint8]:
        """Object crop ``(S, S, 3)`` uint8 of an image."""
        return decode_crop(self.crop_jpeg(sample))

    def crop_jpeg(self, sample: int) -> bytes:
        """The same, as the stored JPEG."""
        with self._store.read() as txn:
            return _need(txn, CROPS, sample, f"image {sample}")

    def mask(self, sample: int) -> NDArray[np.bool_]:
        """Mask ``(S, S)`` of an image's crop."""
        with self._store.read() as txn:
            return decode_mask(_need(txn, MASKS, sample, f"image {sample}"))

    def vectors(self, start: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Image ids and descriptors ``(D,)`` from id ``start`` on."""
        with self._store.read() as txn:
            for key, raw in txn.scan(VECTORS, start=start):
                yield key[0], decode_vector(raw)

    def shapes(self, *, order: Order = "size", after: str | None = None, limit: int = 50) -> Page[ShapeSummary]:
        """The published version of each shape, largest cluster first or by id."""
        with self._store.read() as txn:
            found = []
            for (cluster,), record in txn.scan(CLUSTERS):
                shape = txn.get(SHAPES, (cluster, record.version)) if record.version else None
                if shape is not None and record.state == "open":
                    found.append(_shape(shape, record.size))
        return _ordered_page(found, order, after, limit)

    def shape(self, shape: int, version: int | None = None) -> ShapeSummary:
        """One version of a shape, by default the published one.

        Raises:
            NotFoundError: there is no such shape or version.
        """
        with self._store.read() as txn:
            return self._shape(txn, shape, version)

    def versions(self, shape: int) -> list[ShapeSummary]:
        """Every recorded version of a shape, published or not, oldest first."""
        with self._store.read() as txn:
            size = _need(txn, CLUSTERS, shape, f"shape {shape}").size
            return [_shape(record, size) for _, record in txn.scan(SHAPES, prefix=shape)]

    def cameras(self, shape: int, version: int | None = None) -> list[CameraSummary]:
        """Cameras of the images a version was fitted to.

        Raises:
            NotFoundError: there is no such shape or version.
        """
        with self._store.read() as txn:
            found = self._shape(txn, shape, version)
            records = txn.get(CAMERAS, (shape, found.version)) or []
        return [CameraSummary(r.sample, r.R, r.t, r.fov, r.offset, r.loss, r.weight) for r in records]

    def artifact(self, shape: int, name: str, version: int | None = None) -> bytes:
        """A file of a version: ``field.safetensors``, ``mesh.ply`` or ``preview.png``.

        Raises:
            NotFoundError: there is no such shape, version or file.
        """
        with self._store.read() as txn:
            found = self._shape(txn, shape, version)
            return _need(txn, ARTIFACTS, (shape, found.version, name), f"{name} of shape {shape}")

    def lineage(self, cluster: int | None = None) -> list[LineageSummary]:
        """What happened to one cluster, or to all, oldest first."""
        with self._store.read() as txn:
            return [
                LineageSummary(r.kind, r.cluster, r.others, r.at, r.time)
                for r in txn.values(LINEAGE)
                if cluster is None or cluster == r.cluster or cluster in r.others
            ]

    def rejects(self, *, reason: str | None = None, after: str | None = None, limit: int = 50) -> Page[RejectSummary]:
        """Refused samples, members and shards, oldest first."""
        start = decode_cursor(after, 1)[0] + 1 if after else 0
        with self._store.read() as txn:
            found = (
                RejectSummary(key[0], r.shard, r.key, r.reason, r.detail, r.time)
                for key, r in txn.scan(REJECTS, start=start)
                if reason is None or r.reason == reason
            )
            return paginate(found, limit, lambda reject: (reject.id,))

    def owners(self, samples: Sequence[int]) -> list[ClusterSummary | None]:
        """The cluster of each image at this moment; None for outliers and unknown images."""
        with self._store.read() as txn:
            return [self._owner(txn, sample) for sample in samples]

    def _owner(self, txn: Transaction, sample: int) -> ClusterSummary | None:
        record = txn.get(SAMPLES, sample)
        cluster = owner_of(txn, record.micro) if record else None
        return None if cluster is None else _cluster(cluster, _need(txn, CLUSTERS, cluster, f"cluster {cluster}"))

    def close(self) -> None:
        """Releases the store."""
        self._store.close()

    def _shape(self, txn: Transaction, shape: int, version: int | None) -> ShapeSummary:
        cluster = _need(txn, CLUSTERS, shape, f"shape {shape}")
        wanted = version or cluster.version
        if not wanted:
            why = f": {cluster.reason}" if cluster.reason else ""
            raise NotFoundError(f"cluster {shape} has no shape yet{why}")
        return _shape(_need(txn, SHAPES, (shape, wanted), f"version {wanted} of shape {shape}"), cluster.size)


def member_ids(txn: Transaction, cluster: int) -> list[int]:
    """Ids of a cluster's images, ascending."""
    micros = [key[1] for key, _ in txn.scan(CLUSTER_MICROS, prefix=cluster)]
    return sorted(key[1] for micro in micros for key, _ in txn.scan(MICRO_SAMPLES, prefix=micro))


def owner_of(txn: Transaction, micro: int) -> int | None:
    """The cluster a micro-cluster is in; None for outliers."""
    record = txn.get(MICROS, micro)
    return None if record is None or record.cluster == OUTLIER else record.cluster


def _need(txn: Transaction, table: Table[T], key: int | tuple[int | str, ...], what: str) -> T:
    found = txn.get(table, key)
    if found is None:
        raise NotFoundError(f"there is no {what}")
    return found


def _cluster(cluster: int, r: ClusterRecord) -> ClusterSummary:
    return ClusterSummary(
        cluster, r.size, r.state, r.born, r.attempts, r.verdict, r.reason, r.version, r.failures, r.quarantined
    )


def _image(txn: Transaction, sample: int, cluster: int) -> ImageSummary:
    return _image_summary(sample, _need(txn, SAMPLES, sample, f"image {sample}"), cluster)


def _image_summary(sample: int, r: SampleRecord, cluster: int | None) -> ImageSummary:
    return ImageSummary(
        sample, r.key, r.shard, r.url, r.width, r.height, r.box, r.foreground, cluster, r.strength, r.time
    )


def _shape(r: ShapeRecord, images: int) -> ShapeSummary:
    return ShapeSummary(
        r.cluster, r.version, r.outcome, r.verdict, r.reason, images, r.views, r.loss, r.baseline_loss,
        r.silhouette_iou, r.feature_distance, r.warm, r.seconds, r.vertices, r.faces, r.at, r.time,
    )  # fmt: skip


def _ordered_page(items: list[S], order: Order, after: str | None, limit: int) -> Page[S]:
    def rank(item: S) -> tuple[int, int]:
        size = item.size if isinstance(item, ClusterSummary) else item.images
        return (-size if order == "size" else 0, item.id)

    edge = decode_cursor(after, 2) if after else None
    rest = sorted((item for item in items if edge is None or rank(item) > edge), key=rank)
    return paginate(rest, limit, rank)
