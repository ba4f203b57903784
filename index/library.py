"""The shape library as readers see it: consistent snapshots while the daemon goes on writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.browse import EVERYTHING_SHOWN, Filter, browse
from index.centroids import centroids, mean_of
from index.codec import decode_crop, decode_mask, decode_vector
from index.lists import Order, Scope, list_of, walk
from index.migrations import check_current
from index.moments import change_summary, moment, shapes_at
from index.paging import check_limit, decode_cursor, decode_name, paginate
from index.reading import (
    camera_summary,
    cluster_summary,
    current_versions,
    image_of,
    library_status,
    members_of,
    need,
    numbers_of,
    owners_of,
    shard_summary,
    start_of,
    stored_image,
    today,
)
from index.records import ClusterRecord
from index.refused import refused
from index.store import Store, Transaction
from index.summaries import (
    CameraSummary,
    ChangeSummary,
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
    CHANGES,
    CLUSTER_CHANGES,
    CLUSTER_LINEAGE,
    CLUSTERS,
    CROPS,
    DELETED,
    IDENTITY,
    LINEAGE,
    MASKS,
    QUARANTINED,
    SAMPLES,
    SHAPES,
    SHARD_NAMES,
    SHARDS,
    SOURCE_SAMPLES,
    VECTORS,
    decode_key,
    digest,
)
from ops.errors import ConfigError, NotFoundError, StateError

_LONGEST_KEY = 500


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
            return library_status(txn, identity, self._store.size_bytes())

    def shards(self, *, after: str | None = None, limit: int = 50) -> Page[ShardSummary]:
        """Every shard that was opened, by URL."""
        start = decode_name(after) if after else None
        if start is not None and len(start.encode("utf-8", "replace")) > _LONGEST_KEY:
            raise ConfigError(f"bad cursor {after!r}; hand back the 'next' of a page as it was given")
        with self._store.read() as txn:
            places = (raw.decode() for raw in txn.keys(SHARD_NAMES, after=start))
            page = paginate(places, limit, lambda place: (place,))
            records = [txn.get(SHARDS, place.rpartition("\0")[2]) for place in page.items]
        return Page([shard_summary(record) for record in records if record is not None], page.next)

    def clusters(
        self,
        *,
        order: Order = "size",
        chosen: Filter = EVERYTHING_SHOWN,
        retired: bool = False,
        reverse: bool = False,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[ClusterSummary]:
        """Open clusters, or retired ones, in an order and by a filter.

        Raises:
            ConfigError: a bad cursor or limit.
        """
        scope: Scope = "retired" if retired else "clusters"
        with self._store.read() as txn:
            page = browse(txn, scope, order, chosen, reverse=reverse, after=after, limit=limit)
        return Page([cluster_summary(cluster, record) for cluster, record in page.items], page.next)

    def cluster(self, cluster: int) -> ClusterSummary:
        """One cluster.

        Raises:
            NotFoundError: there is none with this id.
        """
        with self._store.read() as txn:
            return cluster_summary(cluster, need(txn, CLUSTERS, cluster, f"cluster {cluster}"))

    def members(self, cluster: int, *, after: str | None = None, limit: int = 50) -> Page[ImageSummary]:
        """Images of a cluster, those that look nearly the same together.

        Raises:
            NotFoundError: there is no such cluster.
        """
        edge = decode_cursor(after, 2) if after else None
        if edge is not None and min(edge) < 0:
            raise ConfigError(f"bad cursor {after!r}; hand back the 'next' of a page as it was given")
        with self._store.read() as txn:
            need(txn, CLUSTERS, cluster, f"cluster {cluster}")
            page = paginate(members_of(txn, cluster, edge), limit, lambda place: place)
            return Page([image_of(txn, sample, cluster) for _, sample in page.items], page.next)

    def images(
        self,
        *,
        source: str | None = None,
        quarantined: bool = False,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[ImageSummary]:
        """Stored images, by id.

        Args:
            source: only those of this shard.
            quarantined: only those that a person put in quarantine; `source` is not looked at then.
            after: the ``next`` of the page before.
            limit: images a page.
        """
        start = start_of(after)
        with self._store.read() as txn:
            if quarantined:
                ids = (key[0] for key, _ in txn.scan(QUARANTINED, start=start))
            elif source is not None:
                edge = start - 1 if start else None
                ids = (decode_key(raw) for raw in txn.keys(SOURCE_SAMPLES, digest(source), after=edge))
            else:
                ids = (key[0] for key, _ in txn.scan(SAMPLES, start=start))
            return paginate((stored_image(txn, sample) for sample in ids), limit, lambda image: (image.id,))

    def image(self, sample: int) -> ImageSummary:
        """One stored image.

        Raises:
            NotFoundError: there is none with this id.
        """
        with self._store.read() as txn:
            return stored_image(txn, sample)

    def crop(self, sample: int) -> NDArray[np.uint8]:
        """Object crop ``(S, S, 3)`` uint8 of an image."""
        return decode_crop(self.crop_jpeg(sample))

    def crop_jpeg(self, sample: int) -> bytes:
        """The same, as the stored JPEG."""
        with self._store.read() as txn:
            return need(txn, CROPS, sample, f"image {sample}")

    def mask(self, sample: int) -> NDArray[np.bool_]:
        """Mask ``(S, S)`` of an image's crop."""
        with self._store.read() as txn:
            return decode_mask(need(txn, MASKS, sample, f"image {sample}"))

    @property
    def store(self) -> Store:
        """What is read."""
        return self._store

    def vectors(self, start: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Image ids and descriptors ``(D,)`` from id ``start`` on."""
        with self._store.read() as txn:
            for key, raw in txn.scan(VECTORS, start=start):
                yield key[0], decode_vector(raw)

    def centroids(self, most: int) -> tuple[list[tuple[int, ClusterRecord]], NDArray[np.float32]]:
        """The largest clusters, with mean descriptors ``(N, D)`` of a bounded number of their images."""
        with self._store.read() as txn:
            return centroids(txn, most)

    def looks(self, clusters: Sequence[int]) -> list[NDArray[np.float32] | None]:
        """Mean descriptor ``(D,)`` of each cluster, over a bounded number of its images; None where it has none."""
        with self._store.read() as txn:
            return [mean_of(txn, cluster) for cluster in clusters]

    def vectors_of(self, samples: Sequence[int]) -> tuple[list[int], NDArray[np.float32]]:
        """Those of the images that exist, and their descriptors ``(N, D)``."""
        with self._store.read() as txn:
            found = txn.many(VECTORS, samples)
        if not found:
            return [], np.zeros((0, 0), np.float32)
        rows = decode_vector(b"".join(raw for _, raw in found)).reshape(len(found), -1)
        return [sample for sample, _ in found], rows

    def deleted(self) -> list[int]:
        """Ids of all images that were deleted."""
        with self._store.read() as txn:
            return [decode_key(raw) for raw in txn.keys(DELETED)]

    def deletions(self) -> int:
        """How many images were deleted, at constant cost."""
        with self._store.read() as txn:
            return txn.count(DELETED)

    def shapes(
        self,
        *,
        order: Order = "size",
        chosen: Filter = EVERYTHING_SHOWN,
        candidates: bool = False,
        reverse: bool = False,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[ShapeSummary]:
        """The published version of each shape, in an order and by a filter.

        Args:
            order: of the shapes.
            chosen: which of them.
            candidates: after each shape those of its versions since that were not published.
            reverse: from the last to the first.
            after: the ``next`` of the page before.
            limit: shapes a page.

        Raises:
            ConfigError: a bad cursor or limit.
        """
        with self._store.read() as txn:
            page = browse(txn, "shapes", order, chosen, reverse=reverse, after=after, limit=limit)
            found = [
                today(version, record)
                for cluster, record in page.items
                for version in current_versions(txn, cluster, record.version, candidates=candidates)
            ]
        return Page(found, page.next)

    def published(self) -> list[tuple[int, int]]:
        """Every shape that is shown, by id, and its published version.

        Those that people hid or put in quarantine are left out.
        """
        with self._store.read() as txn:
            shapes = (cluster for _, cluster in walk(txn, list_of("shapes", "id"), None, reverse=False))
            records = ((cluster, txn.get(CLUSTERS, cluster)) for cluster in shapes)
            return [(cluster, r.version) for cluster, r in records if r is not None and not (r.hidden or r.held)]

    def shape(self, shape: int, version: int | None = None) -> ShapeSummary:
        """One version of a shape, by default the published one.

        Raises:
            NotFoundError: there is no such shape or version.
        """
        with self._store.read() as txn:
            return self._shape(txn, shape, version)

    def versions(self, shape: int, outcome: str | None = None) -> list[ShapeSummary]:
        """Every recorded version of a shape, published or not, oldest first; or those of one outcome."""
        with self._store.read() as txn:
            cluster = need(txn, CLUSTERS, shape, f"shape {shape}")
            records = (record for _, record in txn.scan(SHAPES, prefix=shape))
            return [today(record, cluster) for record in records if outcome in (None, record.outcome)]

    def cameras(self, shape: int, version: int | None = None) -> list[CameraSummary]:
        """Cameras of the images a version was fitted to; those of images that were deleted since are left out.

        Raises:
            NotFoundError: there is no such shape or version.
        """
        with self._store.read() as txn:
            found = self._shape(txn, shape, version)
            stored = txn.get(CAMERAS, (shape, found.source or found.version)) or []
            gone = txn.count(DELETED) > 0
            records = [r for r in stored if not gone or txn.get(DELETED, r.sample) is None]
        return [camera_summary(record) for record in records]

    def artifact(self, shape: int, name: str, version: int | None = None) -> bytes:
        """A file of a version: ``field.safetensors``, ``mesh.ply``, ``preview.png`` or ``keypoints.json``.

        Raises:
            NotFoundError: there is no such shape, version or file.
        """
        with self._store.read() as txn:
            found = self._shape(txn, shape, version)
            return need(txn, ARTIFACTS, (shape, found.source or found.version, name), f"{name} of shape {shape}")

    def lineage(self, cluster: int | None = None, *, after: str | None = None, limit: int = 50) -> Page[LineageSummary]:
        """What happened to one cluster, or to all, oldest first."""
        start = start_of(after)
        with self._store.read() as txn:
            page = paginate(numbers_of(txn, LINEAGE, CLUSTER_LINEAGE, cluster, start), limit, lambda number: (number,))
            records = [need(txn, LINEAGE, number, f"event {number}") for number in page.items]
        return Page([LineageSummary(r.kind, r.cluster, r.others, r.at, r.time) for r in records], page.next)

    def changes(
        self, cluster: int | None = None, *, since: int | None = None, after: str | None = None, limit: int = 50
    ) -> Page[ChangeSummary]:
        """The feed: what changed about one cluster, or at all, oldest first.

        Args:
            cluster: only changes it took part in.
            since: only changes after the one with this id; what a reader goes on with who has seen all before.
            after: the ``next`` of the page before; `since` is not looked at then.
            limit: changes a page.
        """
        start = start_of(after) if after or since is None else max(since + 1, 0)
        with self._store.read() as txn:
            page = paginate(numbers_of(txn, CHANGES, CLUSTER_CHANGES, cluster, start), limit, lambda number: (number,))
            records = [(number, need(txn, CHANGES, number, f"change {number}")) for number in page.items]
        return Page([change_summary(number, record) for number, record in records], page.next)

    def last_change(self) -> int:
        """The id of the latest change, -1 if there was none."""
        with self._store.read() as txn:
            return txn.counters().next_change - 1

    def moment(self, *, images: int | None = None, time: float | None = None) -> ChangeSummary:
        """What the library held after so many committed images, or at a time: the last change until then.

        Raises:
            NotFoundError: nothing had happened yet.
        """
        with self._store.read() as txn:
            return moment(txn, images, time)

    def shapes_at(self, images: int, *, after: str | None = None, limit: int = 50) -> Page[ShapeSummary]:
        """The shapes that were published after so many committed images, each in its version of then, by id.

        ``images`` of a shape are those its cluster had when the version was recorded.
        """
        start = start_of(after)
        with self._store.read() as txn:
            check_limit(limit)
            return shapes_at(txn, images, start, limit)

    def rejects(
        self, *, reason: str | None = None, of: int | None = None, after: str | None = None, limit: int = 50
    ) -> Page[RejectSummary]:
        """Refused samples, members and shards, oldest first; those of one reason, or copies of one image."""
        with self._store.read() as txn:
            return refused(txn, reason, of, after, limit)

    def owners(self, samples: Sequence[int]) -> list[ClusterSummary | None]:
        """The cluster of each image at this moment; None for outliers, unknown images and what is in quarantine."""
        with self._store.read() as txn:
            return owners_of(txn, samples)

    def close(self) -> None:
        """Releases the store."""
        self._store.close()

    def _shape(self, txn: Transaction, shape: int, version: int | None) -> ShapeSummary:
        cluster = need(txn, CLUSTERS, shape, f"shape {shape}")
        wanted = version or cluster.version
        if not wanted:
            why = f": {cluster.reason}" if cluster.reason else ""
            raise NotFoundError(f"cluster {shape} has no shape yet{why}")
        return today(need(txn, SHAPES, (shape, wanted), f"version {wanted} of shape {shape}"), cluster)
