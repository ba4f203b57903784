"""Plain reads of a state directory: LMDB tables as bytes and dictionaries, the FAISS file as bytes."""

from __future__ import annotations

import heapq
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb
import msgspec

from ops.errors import StateError
from ops.fsck.findings import RESTORE, Finding, error

TABLES = (
    "identity", "counters", "clusterer", "shards", "samples", "sample_keys", "vectors", "crops", "masks", "rejects",
    "micros", "micro_samples", "cluster_micros", "clusters", "lineage", "shapes", "cameras", "artifacts",
    "deleted", "quarantined", "changes", "lists", "labels", "source_samples", "shard_names", "reasons",
    "cluster_lineage", "cluster_changes", "signatures", "signature_bands", "copies", "micro_sums",
    "late",
)  # fmt: skip
_SINCE = {
    name: schema
    for first, schema in (("deleted", 4), ("signatures", 6), ("micro_sums", 7))
    for name in TABLES[TABLES.index(first) :]
}
"""Schema that a table came with."""
LATE = {"lists": b"\1", "labels": b"\2", "cluster_micros": b"\3", "clusters": b"\4"}
"""Tables whose changes are gathered in ``late``, under keys that begin with this."""
_ONLY = b"only"
_ATTEMPTS = 3
Record = dict[str, Any]


class RawState:
    """One consistent snapshot of a state directory, read beside a daemon or without one; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Opens the FAISS file, then takes a snapshot of LMDB.

        Raises:
            StateError: the folder holds no store, one that is cut off, or one that LMDB cannot open.
        """
        self.folder = folder
        self.damage: list[Finding] = []
        if not (folder / "lmdb" / "data.mdb").exists():
            raise StateError(f"{folder} is no Shapelode state directory; name one with --state")
        # In this order: the index is saved after its vectors are durable, so it can't be ahead of the snapshot.
        self.index_file = _mapped(folder / "vectors.faiss")
        self.leftovers = sorted(path.name for path in folder.glob("*.faiss?*"))
        try:
            self._env, self._txn = _snapshot(folder / "lmdb")
            _check_whole(self._env, folder / "lmdb" / "data.mdb")
            names = [bytes(key).decode("utf-8", "replace") for key, _ in self._txn.cursor()]
            self._databases = {name: self._env.open_db(name.encode(), self._txn, create=False) for name in names}
        except lmdb.Error as problem:
            raise StateError(f"cannot open the state directory {folder}: {problem}") from problem
        self.schema = self._schema()
        expected = [name for name in TABLES if self.schema >= _SINCE.get(name, 0)]
        self.missing = [name for name in expected if name not in self._databases]
        self.unknown = [name for name in names if name not in TABLES]

    def _schema(self) -> int:
        """What the state says of its schema; 0 if it says nothing that can be read."""
        found = (self.record("identity") or {}).get("schema", 0)
        return found if isinstance(found, int) else 0

    def count(self, table: str) -> int:
        """Entries of a table; 0 if there is no such table."""
        found = self._databases.get(table)
        return 0 if found is None else int(self._txn.stat(found)["entries"])

    def items(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a table whose keys begin with ``prefix``, in key order."""
        mark = LATE.get(table)
        changes = {key[1:]: raw for key, raw in self._items("late", mark + prefix)} if mark else {}
        if not changes:
            yield from self._items(table, prefix)
            return
        settled = ((key, b"+" + raw) for key, raw in self._items(table, prefix) if key not in changes)
        for key, raw in heapq.merge(settled, sorted(changes.items())):
            if raw[:1] == b"+":
                yield key, raw[1:]

    def _items(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        if table not in self._databases:
            return
        with self._txn.cursor(self._databases[table]) as cursor:
            found = cursor.set_range(prefix) if prefix else cursor.first()
            while found and bytes(cursor.key()).startswith(prefix):
                yield bytes(cursor.key()), bytes(cursor.value())
                found = cursor.next()

    def keys(self, table: str, prefix: bytes = b"") -> Iterator[bytes]:
        """Keys of a table, in order, without touching the values if its changes are not gathered."""
        if table in LATE:
            yield from (key for key, _ in self.items(table, prefix))
            return
        if table not in self._databases:
            return
        with self._txn.cursor(self._databases[table]) as cursor:
            found = cursor.set_range(prefix) if prefix else cursor.first()
            while found and bytes(cursor.key()).startswith(prefix):
                yield bytes(cursor.key())
                found = cursor.next()

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under a key."""
        change = self.get("late", LATE[table] + key) if table in LATE else None
        if change is not None:
            return change[1:] if change[:1] == b"+" else None
        found = self._txn.get(key, db=self._databases[table]) if table in self._databases else None
        return None if found is None else bytes(found)

    def records(self, table: str) -> Iterator[tuple[bytes, Record]]:
        """Decoded records of a table; one that can't be decoded goes to ``damage``."""
        for key, raw in self.items(table):
            if (record := self._decoded(table, key, raw)) is not None:
                yield key, record

    def record(self, table: str, key: bytes = _ONLY) -> Record | None:
        """One decoded record."""
        raw = self.get(table, key)
        return None if raw is None else self._decoded(table, key, raw)

    def _decoded(self, table: str, key: bytes, raw: bytes) -> Record | None:
        try:
            found = msgspec.msgpack.decode(raw)
        except msgspec.DecodeError as problem:
            found = problem
        if isinstance(found, dict):
            return found
        finding = error("records", f"{table}[{key.hex()}] is no record: {found!r:.80}")
        if finding not in self.damage:
            self.damage.append(finding)
        return None

    def __enter__(self) -> RawState:
        """The snapshot is taken already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Releases the snapshot."""
        self._txn.abort()
        self._env.close()


def _snapshot(path: Path) -> tuple[lmdb.Environment, lmdb.Transaction]:
    for attempt in range(_ATTEMPTS):
        env = lmdb.open(str(path), 0, readonly=True, create=False, max_dbs=64, max_readers=512, readahead=False)
        try:
            return env, env.begin()
        except lmdb.MapResizedError:  # the daemon has just grown the map: open it anew
            env.close()
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _check_whole(env: lmdb.Environment, file: Path) -> None:
    # LMDB maps the file: reading beyond its end would not be an error but the end of this process.
    used = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    if file.stat().st_size < used:
        raise StateError(f"{file} is cut off: it has {file.stat().st_size} of {used} bytes; {RESTORE}")


def _mapped(file: Path) -> mmap.mmap | bytes | None:
    """A file's bytes without reading them; they stay when another file takes its name."""
    try:
        with file.open("rb") as opened:
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if file.stat().st_size else b""
    except FileNotFoundError:
        return None


def number(key: bytes) -> int:
    """The integer that a key of 8 bytes stands for."""
    return int(struct.unpack(">Q", key)[0])


def numbers(key: bytes, count: int) -> tuple[int, ...]:
    """The first integers of a composite key."""
    return struct.unpack(f">{count}Q", key[: 8 * count])


def packed(*parts: int) -> bytes:
    """Integers as a key."""
    return struct.pack(f">{len(parts)}Q", *parts)
