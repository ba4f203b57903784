"""Keys and values of one database, as bytes, within one transaction; `index.late` has the same methods over two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, cast

import lmdb

Entry = tuple[bytes, bytes]
_BEYOND = b"\xff" * 24  # after a head: beyond all keys that begin with it


class Entries(Protocol):
    """A table as `index.store.Transaction` sees it, wherever its changes are."""

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, or None."""

    def many(self, keys: Iterable[bytes]) -> list[Entry]:
        """Those of the keys that exist, with their values, in the order asked for."""

    def put(self, key: bytes, value: bytes) -> None:
        """Sets the value under a key."""

    def delete(self, key: bytes) -> bool:
        """Removes a key; False if there was none."""

    def entries(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[Entry]:
        """Entries whose keys begin with ``head``, in order.

        Args:
            head: beginning of the keys.
            edge: the first key that may come, in reverse the first that may not; all of them without it.
            reverse: from the greatest key down.
        """

    def keys(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[bytes]:
        """Keys of the same entries; values are not touched where that can be helped."""


class PlainEntries:
    """A database, or those of its keys that begin with ``mark``, which is left off.

    The transaction gives bytes, not views of the map, as `index.environment` opens it.
    """

    def __init__(self, txn: lmdb.Transaction, database: lmdb._Database, mark: bytes = b"") -> None:
        self._txn, self._database, self._mark = txn, database, mark

    def get(self, key: bytes) -> bytes | None:
        """See `Entries.get`."""
        return cast(bytes | None, self._txn.get(self._mark + key, db=self._database))

    def many(self, keys: Iterable[bytes]) -> list[Entry]:
        """See `Entries.many`."""
        with self._txn.cursor(db=self._database) as cursor:
            found = cursor.getmulti([self._mark + key for key in keys])
        return [(key[len(self._mark) :], value) for key, value in cast(list[Entry], found)]

    def put(self, key: bytes, value: bytes) -> None:
        """See `Entries.put`."""
        self._txn.put(self._mark + key, value, db=self._database)

    def delete(self, key: bytes) -> bool:
        """See `Entries.delete`."""
        return bool(self._txn.delete(self._mark + key, db=self._database))

    def entries(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[Entry]:
        """See `Entries.entries`."""
        within = self._mark + head
        with self._txn.cursor(db=self._database) as cursor:
            if not self._seek(cursor, head, edge, reverse):
                return
            pairs = cast(Iterator[Entry], cursor.iterprev() if reverse else cursor.iternext())
            if not within:  # whole tables of millions are read as a writer starts
                yield from pairs
                return
            for key, value in pairs:
                if not key.startswith(within):
                    return
                yield key[len(self._mark) :], value

    def keys(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[bytes]:
        """See `Entries.keys`."""
        within = self._mark + head
        with self._txn.cursor(db=self._database) as cursor:
            if not self._seek(cursor, head, edge, reverse):
                return
            found = cursor.iterprev(values=False) if reverse else cursor.iternext(values=False)
            for key in cast(Iterator[bytes], found):
                if not key.startswith(within):
                    return
                yield key[len(self._mark) :]

    def _seek(self, cursor: lmdb.Cursor, head: bytes, edge: bytes | None, reverse: bool) -> bool:
        first = self._mark + (edge if edge is not None else head + _BEYOND if reverse else head)
        if not reverse:
            return bool(cursor.set_range(first) if first else cursor.first())
        # LMDB only seeks forward: from the first key beyond the range one step back
        return bool(cursor.prev() if cursor.set_range(first) else cursor.last())
