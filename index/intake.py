"""What a batch and a refused shard write beside the partition: images, rejects and the shard's own record."""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from index.admission import Draft, Refused, Stored
from index.codec import encode_crop, encode_mask, encode_vector
from index.records import RejectRecord, SampleRecord, ShardRecord
from index.store import Transaction
from index.stream.batch import Batch, content_name
from index.stream.sources import is_url
from index.stream.tar import DAMAGE
from index.tables import (
    COPIES,
    CROPS,
    MASKS,
    QUARANTINED,
    REASONS,
    REJECTS,
    SAMPLE_KEYS,
    SAMPLES,
    SHARD_NAMES,
    SHARDS,
    SOURCE_SAMPLES,
    VECTORS,
    digest,
    encode_key,
    shard_place,
)
from index.totals import add_counts, count_rejects, uncount_reject
from ops.clock import wall_time
from ops.errors import RejectError


def begun(name: str, generation: int, before: ShardRecord | None) -> ShardRecord:
    """A shard of new content; what a person said of the content before holds for it."""
    if before is None:
        return ShardRecord(name, generation=generation)
    return ShardRecord(name, generation=generation, blocked=before.blocked, quarantined=before.quarantined)


def put_sample(
    txn: Transaction, sample_id: int, stored: Stored, shard: ShardRecord, micro: int, strength: float
) -> None:
    """Stores an object's image with all that belongs to it; the digests of the file lead to its first object."""
    sample, view = stored.sample, stored.view
    record = SampleRecord(
        key=sample.key, shard=shard.url, index=sample.index, url=sample.url, width=sample.size[0],
        height=sample.size[1], box=view.box, foreground=view.foreground, sha256=sample.sha256, micro=micro,
        strength=strength, time=wall_time(), object=stored.place,
    )  # fmt: skip
    txn.put(SAMPLES, sample_id, record)
    if stored.place == 0:
        txn.put(SAMPLE_KEYS, digest(shard.url, sample.key), encode_key(sample_id))
        txn.put(SAMPLE_KEYS, sample.sha256, encode_key(sample_id))
    txn.put(VECTORS, sample_id, encode_vector(view.descriptor))
    txn.put(CROPS, sample_id, encode_crop(view.crop))
    txn.put(MASKS, sample_id, encode_mask(view.mask))
    txn.put(SOURCE_SAMPLES, (digest(shard.url), sample_id), b"")
    if shard.quarantined:
        txn.put(QUARANTINED, sample_id, b"")


def put_rejects(txn: Transaction, shard: str, rejects: list[Refused]) -> None:
    """Records and counts what was refused of a shard."""
    for number, refused in enumerate(rejects, start=txn.counters().next_reject):
        reason, detail = refused.error.reason, refused.error.detail
        record = RejectRecord(shard, refused.key, reason, detail, wall_time(), refused.index, refused.of)
        txn.put(REJECTS, number, record)
        txn.put(REASONS, (digest(reason), number), b"")
        if refused.of >= 0:
            txn.put(COPIES, (refused.of, number), b"")
    add_counts(txn, next_reject=len(rejects))
    count_rejects(txn, (refused.error.reason for refused in rejects))


def put_refused(txn: Transaction, shard: str, error: RejectError) -> None:
    """Records, once, a shard that was refused as a whole."""
    known = _current(txn, shard)
    before = txn.get(REJECTS, known.damage) if known.damage >= 0 else None
    if before is not None and (before.reason, before.detail) == (error.reason, error.detail):
        return
    known = mended(txn, known)
    number = txn.counters().next_reject
    put_rejects(txn, known.url, [Refused(-1, "", error)])
    _write_shard(txn, replace(known, rejected=known.rejected + 1, damage=number))


def _current(txn: Transaction, shard: str) -> ShardRecord:
    """The latest content of a shard."""
    found = ShardRecord(shard)
    for generation in count():
        record = txn.get(SHARDS, digest(content_name(shard, generation)))
        if record is None:
            break
        found = record
    return found


def mended(txn: Transaction, shard: ShardRecord) -> ShardRecord:
    """A shard that is read on where it was damaged: its damage is no reject any more."""
    damage = txn.get(REJECTS, shard.damage) if shard.damage >= 0 else None
    if damage is None:
        return shard
    txn.delete(REJECTS, shard.damage)
    txn.delete(REASONS, (digest(damage.reason), shard.damage))
    uncount_reject(txn, damage.reason)
    return replace(shard, damage=-1, rejected=shard.rejected - 1)


def put_shard(txn: Transaction, shard: ShardRecord, batch: Batch, draft: Draft) -> None:
    """Moves the cursor of a shard behind a batch."""
    header = batch.header
    last = batch.samples[-1] if batch.samples else None
    damaged = last is not None and last.reject is not None and last.reject.reason in DAMAGE
    # What is damaged may be whole the next time: the cursor stays there, so that what follows is read then.
    cursor = max(shard.cursor, header.end - damaged)
    here = sum(shard.cursor <= sample.index < cursor for sample in batch.samples)
    changed = replace(
        shard, cursor=cursor, size=header.size, mtime_ns=header.mtime_ns,
        done=header.last and not (damaged and is_url(header.shard)), prefix=header.mark.prefix,
        stored=shard.stored + len(draft.ids), rejected=shard.rejected + len(draft.rejects),
        damage=txn.counters().next_reject - 1 if damaged else -1,
        elsewhere=shard.elsewhere + (cursor - shard.cursor - here if batch.parted else 0),
    )  # fmt: skip
    _write_shard(txn, changed)
    add_counts(txn, shards_done=changed.done - shard.done)


def _write_shard(txn: Transaction, shard: ShardRecord) -> None:
    key = digest(shard.url)
    txn.put(SHARDS, key, shard)
    txn.put(SHARD_NAMES, shard_place(shard.url), key.encode())
