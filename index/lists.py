"""Orders and labels of clusters, kept with every change of a cluster, so that no list has to look through them all.

A list is a scope in an order; its entries are ``(list, rank, cluster)``, so that walking it in key order is reading
it. A label is a tag, a flag or a source; its clusters are found under its digest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, get_args

from index.records import ClusterRecord
from index.store import Transaction
from index.tables import LABELS, LISTS, Key, digest

Scope = Literal["clusters", "shapes", "retired"]
Order = Literal["size", "id", "quality", "growth", "age", "recent"]
ORDERS: tuple[Order, ...] = get_args(Order)
_SCOPES: tuple[Scope, ...] = get_args(Scope)
_WIDTH = 16  # lists of a scope
_LAST = 2**62
_LOSS_STEPS = 10**12
_COUNT = struct.Struct(">Q")
Place = tuple[int, int, int]
_NUMBERS = {
    (scope, order): _WIDTH * first + second
    for first, scope in enumerate(_SCOPES)
    for second, order in enumerate(ORDERS)
}


def list_of(scope: Scope, order: Order) -> int:
    """The number of a list."""
    return _NUMBERS[scope, order]


def rank_of(record: ClusterRecord, order: Order) -> int:
    """Where a cluster comes in an order, from 0 on; clusters of one rank come by id.

    ``size`` is largest first, ``quality`` lowest loss first, ``growth`` most images since the last attempt first,
    ``age`` longest in the library first, ``recent`` latest version first; clusters without a shape come last in
    ``quality`` and ``recent``.
    """
    if order == "size":
        return _LAST - record.size
    if order == "quality":
        return round(record.loss * _LOSS_STEPS) if record.version else _LAST
    if order == "growth":
        return _LAST - max(record.size - record.attempted_size, 0)
    if order == "age":
        return record.born
    if order == "recent":
        return _LAST - record.at - 1 if record.version else _LAST
    return 0


def scopes_of(record: ClusterRecord) -> tuple[Scope, ...]:
    """The scopes that a cluster is in."""
    if record.state != "open":
        return ("retired",)
    return ("clusters", "shapes") if record.version else ("clusters",)


def places(cluster: int, record: ClusterRecord) -> set[Place]:
    """Entries of a cluster in `LISTS`."""
    return {(list_of(scope, order), rank_of(record, order), cluster) for scope in scopes_of(record) for order in ORDERS}


def label(kind: str, value: str = "") -> str:
    """The key under which clusters of a label are found."""
    return digest("label", kind, value)


def labels(record: ClusterRecord) -> set[str]:
    """Labels of a cluster, those of its sources left out."""
    flags = {
        "pinned": record.pinned,
        "hidden": record.hidden,
        "quarantined": record.quarantined or record.held,
    }
    set_flags = {label("flag", name) for name, is_set in flags.items() if is_set}
    return {label("tag", tag) for tag in record.tags} | set_flags


def relist(txn: Transaction, cluster: int, before: ClusterRecord | None, after: ClusterRecord) -> None:
    """Moves a cluster to where it belongs in all lists."""
    scopes = scopes_of(after)
    if before is not None and scopes_of(before) == scopes:  # most often only its size has changed: this is quicker
        ranks = [(order, rank_of(before, order), rank_of(after, order)) for order in ORDERS]
        moved = [(list_of(scope, order), old, new) for order, old, new in ranks if old != new for scope in scopes]
        gone, come = {(name, old, cluster) for name, old, _ in moved}, {(name, new, cluster) for name, _, new in moved}
    else:
        gone, come = places(cluster, before) if before else set(), places(cluster, after)
    for place in gone - come:
        txn.delete(LISTS, place)
    for place in come - gone:
        txn.put(LISTS, place, b"")
    had, has = labels(before) if before else set(), labels(after)
    for name in had - has:
        txn.delete(LABELS, (name, cluster))
    for name in has - had:
        txn.put(LABELS, (name, cluster), b"")


def add_source(txn: Transaction, cluster: int, source: str, delta: int) -> None:
    """Counts images of a source that came into a cluster or left it.

    Args:
        txn: a write transaction.
        cluster: the cluster.
        source: digest of the shard's URL.
        delta: how many more.
    """
    key: Key = (label("source", source), cluster)
    count = images_of_label(txn.get(LABELS, key)) + delta
    if count > 0:
        txn.put(LABELS, key, _COUNT.pack(count))
    else:
        txn.delete(LABELS, key)


def images_of_label(raw: bytes | None) -> int:
    """The count that an entry of a source holds; 0 for none."""
    return _COUNT.unpack(raw)[0] if raw else 0


def labelled(txn: Transaction, name: str, most: int) -> list[int] | None:
    """Clusters of a label, ascending; None if there are more than ``most``."""
    found: list[int] = []
    for raw in txn.keys(LABELS, name):
        if len(found) == most:
            return None
        found.append(_COUNT.unpack(raw)[0])
    return found


def walk(txn: Transaction, number: int, after: tuple[int, int] | None, *, reverse: bool) -> Iterator[tuple[int, int]]:
    """Ranks and clusters of a list, beyond a position."""
    for raw in txn.keys(LISTS, number, after=after, reverse=reverse):
        yield struct.unpack(">QQ", raw)
