"""Writes to a state behind everybody's back."""

from __future__ import annotations

from pathlib import Path

import lmdb
import msgspec


class Editor:
    """Raw entries of a store that nobody else has open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._env = lmdb.open(str(folder / "lmdb"), map_size=2**28, max_dbs=32)

    def set(self, table: str, key: bytes, raw: bytes | None) -> None:
        with self._env.begin(write=True, db=self._env.open_db(table.encode())) as txn:
            assert txn.get(key) != raw, "this changes nothing"
            if raw is None:
                txn.delete(key)
            else:
                txn.put(key, raw)

    def keys(self, table: str) -> list[bytes]:
        with self._env.begin(db=self._env.open_db(table.encode())) as txn:
            return [bytes(key) for key in txn.cursor().iternext(values=False)]

    def get(self, table: str, key: bytes) -> bytes:
        with self._env.begin(db=self._env.open_db(table.encode())) as txn:
            return bytes(txn.get(key))

    def change(self, table: str, place: bytes, /, **fields: object) -> None:
        record = msgspec.msgpack.decode(self.get(table, place))
        self.set(table, place, msgspec.msgpack.encode(record | fields))

    def where(self, table: str, **fields: object) -> bytes:
        """The first key whose record has these fields."""
        for key in self.keys(table):
            record = msgspec.msgpack.decode(self.get(table, key))
            if all(record.get(name) == value for name, value in fields.items()):
                return key
        raise AssertionError(f"no record of {table} has {fields}")

    def close(self) -> None:
        self._env.close()
