"""Bringing a store that an older version wrote up to date, all of it in one transaction or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from index.derived import derive
from index.records import MicroRecord, Outcome, ShapeRecord
from index.store import SCHEMA, Store, Transaction
from index.tables import (
    CHANGES,
    COPIES,
    IDENTITY,
    MICRO_SUMS,
    MICROS,
    REJECTS,
    SAMPLE_KEYS,
    SAMPLES,
    SHAPES,
    Table,
    decode_key,
    encode_key,
)
from index.totals import recount, recount_retired
from ops.errors import StateError
from ops.logs import get_logger

_log = get_logger("store")


class _Mark(msgspec.Struct, frozen=True):
    """As much of an identity as every version, past or to come, has."""

    schema: int


_COPIED = re.compile(r"the same file is stored as image (\d+)")
_MARK = Table(IDENTITY.name, _Mark)


def _digest_images(txn: Transaction) -> None:
    for (number,), record in list(txn.scan(SAMPLES)):
        if record.sha256 and txn.get(SAMPLE_KEYS, record.sha256) is None:
            txn.put(SAMPLE_KEYS, record.sha256, encode_key(number))


def _judge_versions(txn: Transaction) -> None:
    """Says of each version what it was compared with, and how: by losses on images that it was fitted to as well."""
    before: ShapeRecord | None = None
    for place, record in list(txn.scan(SHAPES)):
        if before is not None and before.cluster != record.cluster:
            before = None
        changed = msgspec.structs.replace(record, outcome=_renamed(record.outcome))
        if record.outcome == "published":
            before = changed = _levelled(changed, before)
        txn.put(SHAPES, place, changed)
    for (number,), change in list(txn.scan(CHANGES)):
        if change.kind == "not_better":
            txn.put(CHANGES, number, msgspec.structs.replace(change, kind="candidate"))


def _name_copied(txn: Transaction) -> None:
    """Keeps which image a copy is one of, told in words so far; pictures of older images are not at hand any more."""
    for (number,), record in list(txn.scan(REJECTS)):
        told = _COPIED.fullmatch(record.detail) if record.reason == "duplicate_image" else None
        if told is not None:
            txn.put(REJECTS, number, msgspec.structs.replace(record, of=int(told[1])))
            txn.put(COPIES, (int(told[1]), number), b"")


def _renamed(outcome: Outcome) -> Outcome:
    return "candidate" if outcome == "not_better" else outcome


def _levelled(record: ShapeRecord, before: ShapeRecord | None) -> ShapeRecord:
    if before is None:
        return msgspec.structs.replace(record, level=record.loss)
    level = before.level * record.loss / record.baseline_loss
    return msgspec.structs.replace(record, judge="fit", before=before.version, level=level)


class _Micro6(msgspec.Struct, frozen=True):
    """A micro-cluster with its sum, as schema 6 had it."""

    id: int
    count: int
    total: bytes
    cluster: int
    barred: tuple[int, ...] = ()


def _part_sums(txn: Transaction) -> None:
    """Keeps sums apart from what is read often, and those of single images not at all: they are these images' own."""
    old = Table(MICROS.name, _Micro6)
    for micro in [decode_key(raw) for raw in txn.keys(MICROS)]:
        record = txn.get(old, micro)
        assert record is not None
        changes = max(record.count - 1, 0)  # of its sum, as far as is known
        txn.put(MICROS, micro, MicroRecord(micro, record.count, record.cluster, record.barred, changes))
        if record.count > 1:
            txn.put(MICRO_SUMS, micro, record.total)


STEPS: Mapping[int, Callable[[Transaction], None]] = {
    1: recount,  # 2 keeps totals of clusters, shapes, shards and reasons in the counters
    2: _digest_images,  # 3 finds images by their digest
    3: derive,  # 4 keeps lists, labels and a feed, and finds what belongs to sources, reasons and clusters
    4: _judge_versions,  # 5 keeps with each version what judged it, and calls those that were not published candidates
    5: _name_copied,  # 6 keeps signatures of images, and what copies are copies of
    6: _part_sums,  # 7 keeps sums of micro-clusters apart
    7: recount_retired,  # 8 gathers changes of clusters, so that what counts their records would be wrong
}
"""Schema -> what makes a store of that schema one of the next."""


def schema_of(store: Store) -> int | None:
    """The schema a store was written with; None if it is new."""
    with store.read() as txn:
        found = txn.only(_MARK)
    return found.schema if found else None


def migrate(store: Store) -> int | None:
    """Brings a store up to date; one that fails half-way stays as it was.

    Returns:
        The schema it had, None if there was nothing to do.

    Raises:
        StateError: a newer version wrote it, or one older than any this version knows.
    """
    found = schema_of(store)
    if found in (None, SCHEMA):
        return None
    check_known(found, store.folder)
    _log.info("bringing the store from schema %d to %d", found, SCHEMA)
    store.transact(lambda txn: _run(txn, found), undone=store.incomplete)
    return found


def _run(txn: Transaction, found: int) -> None:
    txn.complete()
    for schema in range(found, SCHEMA):
        STEPS[schema](txn)
    identity = txn.only(IDENTITY)
    assert identity is not None
    txn.put_only(IDENTITY, msgspec.structs.replace(identity, schema=SCHEMA))


def check_current(store: Store) -> None:
    """Refuses what this version can't read as it is.

    Raises:
        StateError: the store has another schema.
    """
    found = schema_of(store)
    if found in (None, SCHEMA):
        return
    check_known(found, store.folder)
    raise StateError(
        f"{store.folder} was written by an older version (schema {found}); bring it up to date with "
        f"`shapelode migrate --state {store.folder}` or by running on it"
    )


def check_known(schema: int, folder: Path) -> None:
    """Refuses schemas that this version can't bring up to date.

    Raises:
        StateError: a newer version wrote it, or one older than any this version knows.
    """
    if schema > SCHEMA:
        raise StateError(
            f"{folder} was written by a newer version (schema {schema}, this one knows {SCHEMA}); update Shapelode"
        )
    if schema != SCHEMA and schema not in STEPS:
        raise StateError(f"{folder} has schema {schema}, too old for this version; run an older one on it first")
