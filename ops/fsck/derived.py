"""What lists are read from says the same as the records it was derived from."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Iterator

from ops.fsck.findings import Finding, compare, error
from ops.fsck.raw import LATE, RawState, Record, number, packed

LISTS, LABELS, PLACES, CHANGES = "lists", "labels", "sources and reasons", "late changes"
_ORDERS = ("size", "id", "quality", "growth", "age", "recent")
_SCOPES = ("clusters", "shapes", "retired")
_LAST = 1 << 62
_NAME_BYTES = 400


def check_lists(state: RawState) -> Iterator[Finding]:
    """Every cluster is where it belongs in every list, and nothing else is in one."""
    if state.schema < 4:
        return
    wanted = {
        packed(_SCOPES.index(scope) * 16 + place, _rank(record, order), number(key))
        for key, record in state.records("clusters")
        for scope in _scopes(record)
        for place, order in enumerate(_ORDERS)
    }
    yield from compare(LISTS, wanted, set(state.keys("lists")))


def _scopes(record: Record) -> tuple[str, ...]:
    if record.get("state", "open") != "open":
        return ("retired",)
    return ("clusters", "shapes") if record.get("version", 0) else ("clusters",)


def _rank(record: Record, order: str) -> int:
    size, shaped = record.get("size", 0), record.get("version", 0)
    ranks = {
        "id": 0,
        "size": _LAST - size,
        "quality": round(record.get("loss", 0.0) * 1e12) if shaped else _LAST,
        "growth": _LAST - max(0, size - record.get("attempted_size", 0)),
        "age": record.get("born", 0),
        "recent": _LAST - 1 - record.get("at", 0) if shaped else _LAST,
    }
    return int(ranks[order])


def check_late(state: RawState) -> Iterator[Finding]:
    """Changes that are not applied yet are changes of tables that gather them."""
    for key, raw in state.items("late"):
        if key[:1] not in LATE.values() or raw[:1] not in (b"+", b"-"):
            yield error(CHANGES, f"the change under {key.hex()} is none that this version knows")


def check_labels(state: RawState) -> Iterator[Finding]:
    """Tags, flags and sources lead to the clusters that have them, and sources count their images."""
    if state.schema < 4:
        return
    wanted: dict[bytes, bytes] = {}
    for key, record in state.records("clusters"):
        flags = {name: record.get(name, False) for name in ("pinned", "hidden")}
        flags["quarantined"] = record.get("quarantined", False) or record.get("held", False)
        names = [_label("tag", tag) for tag in record.get("tags", ())]
        names += [_label("flag", name) for name, is_set in flags.items() if is_set]
        wanted |= {name + key: b"" for name in names}
    owners = {number(key): record["cluster"] for key, record in state.records("micros")}
    held = Counter((owners[r["micro"]], _digest(r["shard"])) for _, r in state.records("samples"))
    for (cluster, source), count in held.items():
        if cluster >= 0:
            wanted[_label("source", source) + packed(cluster)] = struct.pack(">Q", count)
    yield from compare(LABELS, set(wanted.items()), set(state.items("labels")))


def check_places(state: RawState) -> Iterator[Finding]:
    """Images are found by source, shards by name, rejects by reason; quarantine holds images that are stored."""
    if state.schema < 4:
        return
    samples = [(key, record) for key, record in state.records("samples")]
    sources = {_digest(record["shard"]).encode() + key for key, record in samples}
    yield from compare(PLACES, sources, set(state.keys("source_samples")))
    names = {_place(record["url"]): key for key, record in state.records("shards")}
    yield from compare(PLACES, set(names.items()), set(state.items("shard_names")))
    reasons = {_digest(record["reason"]).encode() + key for key, record in state.records("rejects")}
    yield from compare(PLACES, reasons, set(state.keys("reasons")))
    micros = {packed(record["micro"]) + key: _digest(record["shard"]).encode() for key, record in samples}
    yield from compare(PLACES, set(micros.items()), set(state.items("micro_samples")))
    for key in state.keys("quarantined"):
        if state.get("samples", key) is None:
            yield error(PLACES, f"image {number(key)} is in quarantine and not stored")


def _label(kind: str, value: str) -> bytes:
    return _digest(f"label\0{kind}\0{value}").encode()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _place(url: str) -> bytes:
    start = url.encode("utf-8", "replace")[:_NAME_BYTES].decode("utf-8", "ignore")
    return f"{start}\0{_digest(url)}".encode()
