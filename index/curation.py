"""What people do to the library: names, tags, pins, quarantine and deletion, as transactions of the one writer.

Every edit may be done twice and leaves the state of one that was done once, and tells the feed only of what it changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from msgspec.structs import replace

from index.changes import Change, record_changes
from index.copies import drop_signature
from index.partition import Partition, write_lineage
from index.reading import member_ids
from index.records import ClusterRecord, DeletedRecord, SampleRecord, ShardRecord
from index.rollback import Rollback, roll_back
from index.store import Transaction
from index.stream.batch import content_name
from index.tables import (
    ARTIFACTS,
    CAMERAS,
    CLUSTERS,
    CROPS,
    DELETED,
    MASKS,
    QUARANTINED,
    SAMPLES,
    SHAPES,
    SHARDS,
    SOURCE_SAMPLES,
    VECTORS,
    decode_key,
    digest,
)
from index.totals import add_counts, write_cluster
from ops.clock import wall_time
from ops.errors import ConfigError, NotFoundError

Action = Literal["delete", "quarantine", "release"]
_LONGEST_NAME = 200
_LONGEST_TAG = 50
_MOST_TAGS = 50
_MOST_IMAGES = 10_000


@dataclass(frozen=True, slots=True)
class ClusterEdit:
    """What is changed about a cluster and its shape; None leaves a thing as it is.

    Attributes:
        cluster: which.
        name: what to call it, empty for nothing.
        add_tags: tags it gets.
        remove_tags: tags it loses.
        pinned: keep it at hand.
        hidden: leave it out of lists.
        quarantined: neither reconstruct it nor let it answer queries; False also ends the quarantine that failures
            brought.
        type: tells edits apart.
    """

    cluster: int
    name: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    pinned: bool | None = None
    hidden: bool | None = None
    quarantined: bool | None = None
    type: Literal["cluster"] = "cluster"


@dataclass(frozen=True, slots=True)
class ClusterDeletion:
    """A cluster goes with all of its images and every version of its shape."""

    cluster: int
    type: Literal["cluster_deletion"] = "cluster_deletion"


@dataclass(frozen=True, slots=True)
class ImageEdit:
    """Images are deleted, put in quarantine or taken out of it."""

    images: tuple[int, ...]
    action: Action
    type: Literal["images"] = "images"


@dataclass(frozen=True, slots=True)
class SourceEdit:
    """So are all images of a source, a shard, those that it will yield included."""

    url: str
    action: Action
    type: Literal["source"] = "source"


Edit = ClusterEdit | ClusterDeletion | ImageEdit | SourceEdit | Rollback


@dataclass(frozen=True, slots=True)
class EditReport:
    """What an edit did: whether anything changed at all, and how many images were touched."""

    changed: bool
    images: int = 0


Done = tuple[EditReport, list[int]]
"""What an edit did, and the images it deleted."""
Restore = Callable[[Transaction], Partition]


def apply(txn: Transaction, edit: Edit, restore: Restore) -> Done:
    """Does an edit; tells what it did and which images it deleted.

    Args:
        txn: a write transaction.
        edit: what to do.
        restore: gets the partition; asked for only where images are deleted.

    Raises:
        NotFoundError: there is no such cluster, image or source.
        ConfigError: a name or tag is too long or holds control characters, or too many images are named at once.
        StateError: the library's clusterer can't forget images, or a version was never published.
    """
    if isinstance(edit, Rollback):
        return EditReport(roll_back(txn, edit, _cluster(txn, edit.cluster))), []
    if isinstance(edit, ClusterEdit):
        return _edit_cluster(txn, edit), []
    if isinstance(edit, ClusterDeletion):
        return _delete_cluster(txn, edit.cluster, restore)
    if isinstance(edit, ImageEdit):
        return _edit_images(txn, edit, restore)
    return _edit_source(txn, edit, restore)


def _edit_cluster(txn: Transaction, edit: ClusterEdit) -> EditReport:
    record = _cluster(txn, edit.cluster)
    changed = _edited(record, edit)
    if changed == record:
        return EditReport(False)
    write_cluster(txn, edit.cluster, changed)
    record_changes(txn, [Change("edited", edit.cluster, detail=_difference(record, changed))])
    return EditReport(True)


def _cluster(txn: Transaction, cluster: int) -> ClusterRecord:
    record = txn.get(CLUSTERS, cluster) if _is_id(cluster) else None
    if record is None:
        raise NotFoundError(f"there is no cluster {cluster}")
    return record


def _is_id(number: int) -> bool:
    return 0 <= number < 2**63


def _edited(record: ClusterRecord, edit: ClusterEdit) -> ClusterRecord:
    name = record.name if edit.name is None else _text(edit.name, "a name", _LONGEST_NAME)
    added = {_text(tag, "a tag", _LONGEST_TAG) for tag in edit.add_tags} - {""}
    tags = tuple(sorted({*record.tags, *added} - {tag.strip() for tag in edit.remove_tags}))
    if len(tags) > _MOST_TAGS:
        raise ConfigError(f"a cluster has at most {_MOST_TAGS} tags, these would be {len(tags)}")
    changed = replace(
        record, name=name, tags=tags, pinned=record.pinned if edit.pinned is None else edit.pinned,
        hidden=record.hidden if edit.hidden is None else edit.hidden,
        held=record.held if edit.quarantined is None else edit.quarantined,
    )  # fmt: skip
    if edit.quarantined is False and record.quarantined:
        changed = replace(changed, quarantined=False, failures=0, retry_at=0.0, attempted_size=0)
    return changed


def _text(raw: str, what: str, longest: int) -> str:
    text = raw.strip()
    if len(text) > longest or not text.isprintable():
        raise ConfigError(f"{what} has at most {longest} characters and no control characters, not {raw!r:.80}")
    return text


def _difference(before: ClusterRecord, after: ClusterRecord) -> str:
    told = [f"named {after.name!r}" if after.name else "name removed"] if before.name != after.name else []
    told += [f"tagged {tag!r}" for tag in after.tags if tag not in before.tags]
    told += [f"tag {tag!r} removed" for tag in before.tags if tag not in after.tags]
    for name, on, off in (("pinned", "pinned", "unpinned"), ("hidden", "hidden", "shown again")):
        if getattr(before, name) != getattr(after, name):
            told.append(on if getattr(after, name) else off)
    if (before.held, before.quarantined) != (after.held, after.quarantined):
        told.append("put in quarantine" if after.held else "taken out of quarantine")
    return ", ".join(told)


def _delete_cluster(txn: Transaction, cluster: int, restore: Restore) -> Done:
    _cluster(txn, cluster)
    images = member_ids(txn, cluster)
    if not images and not txn.last_key(SHAPES, prefix=cluster):
        return EditReport(False), []
    if images:
        _delete_images(txn, images, restore, f"cluster {cluster}", cluster)
    _drop_versions(txn, cluster)
    return EditReport(True, len(images)), images


def _drop_versions(txn: Transaction, cluster: int) -> None:
    versions = list(txn.scan(SHAPES, prefix=cluster))
    for place, _ in versions:
        for raw in list(txn.keys(ARTIFACTS, place)):
            txn.delete(ARTIFACTS, (*place, raw.decode()))
        txn.delete(CAMERAS, place)
        txn.delete(SHAPES, place)
    record = txn.get(CLUSTERS, cluster)
    assert record is not None
    write_cluster(
        txn, cluster, replace(record, version=0, loss=0.0, at=0, name="", tags=(), pinned=False, certainty=0.0, posed=0)
    )
    add_counts(txn, published=-sum(version.outcome == "published" for _, version in versions))


def _edit_images(txn: Transaction, edit: ImageEdit, restore: Restore) -> Done:
    if len(edit.images) > _MOST_IMAGES:
        raise ConfigError(f"an edit may name {_MOST_IMAGES} images at most, not {len(edit.images)}")
    known: list[int] = []
    for image in dict.fromkeys(edit.images):
        if _is_id(image) and txn.get(SAMPLES, image) is not None:
            known.append(image)
        elif not _is_id(image) or txn.get(DELETED, image) is None:
            raise NotFoundError(f"there is no image {image}")
    if edit.action == "delete":
        if known:
            _delete_images(txn, known, restore, "")
        return EditReport(bool(known), len(known)), known
    changed = _quarantine(txn, known, release=edit.action == "release")
    if changed:
        kind = "images_released" if edit.action == "release" else "images_quarantined"
        record_changes(txn, [Change(kind, count=changed)])
    return EditReport(changed > 0, changed), []


def _quarantine(txn: Transaction, images: Sequence[int], *, release: bool) -> int:
    changed = 0
    for image in images:
        inside = txn.get(QUARANTINED, image) is not None
        if release and inside:
            txn.delete(QUARANTINED, image)
        elif not release and not inside:
            txn.put(QUARANTINED, image, b"")
        changed += inside == release
    return changed


def _edit_source(txn: Transaction, edit: SourceEdit, restore: Restore) -> Done:
    shards = list(_contents(txn, edit.url))
    if not shards:
        raise NotFoundError(f"there is no source {edit.url!r}; `shapelode shards` lists them")
    images = [decode_key(raw) for shard in shards for raw in list(txn.keys(SOURCE_SAMPLES, digest(shard.url)))]
    if edit.action == "delete":
        marked = _mark(txn, shards, blocked=True)
        if images:
            _delete_images(txn, images, restore, edit.url)
        if images or marked:
            record_changes(txn, [Change("source_deleted", count=len(images), detail=edit.url)])
        return EditReport(bool(images or marked), len(images)), images
    release = edit.action == "release"
    marked = _mark(txn, shards, quarantined=not release)
    changed = _quarantine(txn, images, release=release)
    if changed or marked:
        kind = "source_released" if release else "source_quarantined"
        record_changes(txn, [Change(kind, count=changed, detail=edit.url)])
    return EditReport(bool(changed or marked), changed), []


def _contents(txn: Transaction, url: str) -> Iterator[ShardRecord]:
    """A shard's records, one for each content it has had."""
    for generation in count():
        record = txn.get(SHARDS, digest(content_name(url, generation)))
        if record is None:
            return
        yield record


def _mark(txn: Transaction, shards: Sequence[ShardRecord], **flags: bool) -> bool:
    changed = [(shard, replace(shard, **flags)) for shard in shards]
    for before, after in changed:
        if before != after:
            txn.put(SHARDS, digest(after.url), after)
    return any(before != after for before, after in changed)


def _delete_images(txn: Transaction, images: Sequence[int], restore: Restore, why: str, cluster: int = -1) -> None:
    partition = restore(txn)  # before anything is gone that it is restored from
    by_micro: dict[int, list[int]] = defaultdict(list)
    shards: Counter[str] = Counter()
    for image in images:
        record = txn.get(SAMPLES, image)
        assert record is not None
        by_micro[record.micro].append(image)
        shards[record.shard] += 1
        _drop_image(txn, image, record)
    for url, gone in shards.items():
        shard = txn.get(SHARDS, digest(url))
        assert shard is not None
        txn.put(SHARDS, digest(url), replace(shard, stored=shard.stored - gone, deleted=shard.deleted + gone))
    add_counts(txn, stored=-len(images))
    at = txn.counters().next_sample
    events = partition.forget(txn, by_micro, at)
    record_changes(txn, [Change("images_deleted", cluster, count=len(images), detail=why)])
    write_lineage(txn, events, at)


def _drop_image(txn: Transaction, image: int, record: SampleRecord) -> None:
    # Its key and the digest of its file stay in SAMPLE_KEYS: by them it is known when its shard is read again.
    txn.delete(SAMPLES, image)
    for table in (VECTORS, CROPS, MASKS, QUARANTINED):
        txn.delete(table, image)
    drop_signature(txn, image)
    txn.delete(SOURCE_SAMPLES, (digest(record.shard), image))
    txn.put(DELETED, image, DeletedRecord(record.shard, record.index, wall_time(), record.object))
