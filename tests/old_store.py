"""Stores as older versions wrote them, made with LMDB and MessagePack alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import msgspec
import numpy as np

OLD_MAP = 2**25
"""Bytes of the map of a store made here."""
_TABLES = (
    "identity", "counters", "clusterer", "shards", "samples", "sample_keys", "vectors", "crops", "masks", "rejects",
    "micros", "micro_samples", "cluster_micros", "clusters", "lineage", "shapes", "cameras", "artifacts",
)  # fmt: skip
_COUNTERS_1 = ("next_sample", "next_reject", "next_lineage", "stored", "rejected", "published", "reconstructions")
_CLUSTER_1 = (
    "size", "born", "state", "attempted_size", "attempts", "failures", "verdict", "reason", "version",
)  # fmt: skip
_PLACE_LENGTH = 32  # images were found by shard and key alone
_REJECT_1 = ("shard", "key", "reason", "detail", "time")
_KEPT_1 = {"counters": _COUNTERS_1, "clusters": _CLUSTER_1, "rejects": _REJECT_1}
_SINCE_5 = {
    "shapes": ("before", "judge", "held_out", "held_out_loss", "level", "source"),
    "clusters": ("seeds", "seconds", "turn"),
    "micros": ("barred",),
}
_SINCE_6 = ("signatures", "signature_bands", "copies")
_SINCE_7 = ("micro_sums", "late")
_OLD_NAMES = {"candidate": "not_better"}
_SINCE_4 = {
    "counters": ("next_change",),
    "clusters": ("at", "ended", "name", "tags", "pinned", "hidden", "held"),
    "shards": ("deleted", "blocked", "quarantined"),
    "shapes": ("size",),
}


def contents(folder: Path) -> dict[str, dict[bytes, bytes]]:
    """Every entry of every table."""
    env = lmdb.open(str(folder / "lmdb"), map_size=0, max_dbs=64, readonly=True, lock=False)
    with env.begin() as txn:
        names = [bytes(name).decode() for name in txn.cursor().iternext(values=False)]
    found = {}
    for name in names:
        table = env.open_db(name.encode(), create=False)
        with env.begin(db=table) as txn:
            found[name] = {bytes(key): bytes(value) for key, value in txn.cursor()}
    env.close()
    return found


def write_schema_1(source: Path, target: Path) -> None:
    """What schema 1 held of a store of today: fewer totals, no loss with a cluster, no place with a reject."""
    _write(source, target, 1)


def write_schema_3(source: Path, target: Path) -> None:
    """What schema 3 held of one: no lists, labels or feed, and nothing by people."""
    _write(source, target, 3)


def write_schema_4(source: Path, target: Path) -> None:
    """What schema 4 held of one: nothing of what judged a version, and candidates by another name."""
    _write(source, target, 4)


def write_schema_5(source: Path, target: Path) -> None:
    """What schema 5 held of one: no signatures, and what a copy was one of in words alone."""
    _write(source, target, 5)


def write_schema_6(source: Path, target: Path) -> None:
    """What schema 6 held of one: with each micro-cluster its sum."""
    _write(source, target, 6)


def write_schema_7(source: Path, target: Path) -> None:
    """What schema 7 held of one: no total of retired clusters."""
    _write(source, target, 7)


WRITERS = (write_schema_1, write_schema_3, write_schema_4, write_schema_5, write_schema_6, write_schema_7)
"""What writes a store as each older schema had it."""


def _write(source: Path, target: Path, schema: int) -> None:
    (target / "lmdb").mkdir(parents=True)
    entries = contents(source) if schema >= 7 else _with_sums(contents(source))
    later = {*(_SINCE_7 if schema < 7 else ()), *(_SINCE_6 if schema < 6 else ())}
    tables = _TABLES if schema < 4 else tuple(name for name in entries if name not in later)
    env = lmdb.open(str(target / "lmdb"), map_size=OLD_MAP, max_dbs=len(tables))
    for name in tables:
        table = env.open_db(name.encode())
        with env.begin(write=True, db=table) as txn:
            for key, value in entries[name].items():
                if name != "sample_keys" or schema >= 3 or len(key) == _PLACE_LENGTH:
                    txn.put(key, _downgraded(name, value, schema))
    env.close()


def _with_sums(entries: dict[str, dict[bytes, bytes]]) -> dict[str, dict[bytes, bytes]]:
    """With each micro-cluster its sum; that of a single image is its vector, of none zeros."""
    images = {key[:8]: key[8:] for key in entries["micro_samples"]}
    empty = bytes(len(next(iter(entries["vectors"].values()), b"")))
    micros = {}
    for key, raw in entries["micros"].items():
        fields = msgspec.msgpack.decode(raw)
        total = entries["micro_sums"].get(key)
        if total is None:
            some = images.get(key)
            wide = np.frombuffer(entries["vectors"][some] if some else empty, "<f2").astype(np.float64)
            total = (wide / max(float(np.linalg.norm(wide)), 1e-12)).astype("<f4").tobytes()
        kept = {name: value for name, value in fields.items() if name != "revision"}
        micros[key] = _encoded({**kept, "total": total})
    return {**entries, "micros": micros}


def _downgraded(table: str, raw: bytes, schema: int) -> bytes:
    if table == "identity":
        return _encoded({**msgspec.msgpack.decode(raw), "schema": schema})
    if table == "counters":
        raw = _encoded({k: v for k, v in msgspec.msgpack.decode(raw).items() if k != "retired"})
    if table == "rejects" and schema < 6 and b"\xa2of" in raw:
        raw = _encoded({k: v for k, v in msgspec.msgpack.decode(raw).items() if k != "of"})
    if schema >= 5:
        return raw
    if table == "micro_samples" and schema < 4:
        return b""
    if table == "cameras":
        return _encoded([{k: v for k, v in each.items() if k != "fitted"} for each in msgspec.msgpack.decode(raw)])
    known = table in {*_SINCE_5, "changes"} or (schema < 4 and table in {*_SINCE_4, *_KEPT_1})
    fields = msgspec.msgpack.decode(raw) if known else None
    if fields is None:
        return raw
    later = (*_SINCE_5.get(table, ()), *(_SINCE_4.get(table, ()) if schema < 4 else ()))
    if schema == 4 and not set(later) & fields.keys() and not {"outcome", "kind"} & fields.keys():
        return raw
    fields = {key: value for key, value in fields.items() if key not in later}
    for name in {"outcome", "kind"} & fields.keys():
        fields[name] = _OLD_NAMES.get(fields[name], fields[name])
    kept = _KEPT_1.get(table) if schema == 1 else None
    return _encoded({key: value for key, value in fields.items() if kept is None or key in kept})


def set_schema(folder: Path, schema: int) -> None:
    """Changes what a store says of its schema, nothing else."""
    env = lmdb.open(str(folder / "lmdb"), map_size=0, max_dbs=64)
    table = env.open_db(b"identity", create=False)
    with env.begin(write=True, db=table) as txn:
        identity = msgspec.msgpack.decode(txn.get(b"only"))
        txn.put(b"only", _encoded({**identity, "schema": schema, "unknown": ["to", "this", "version"]}))
    env.close()


def _encoded(value: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    return msgspec.msgpack.encode(value)
