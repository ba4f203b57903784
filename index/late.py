"""Changes of derived tables, gathered in a small one until there are many of them.

A batch moves some sixty clusters, and each has entries at random places of large tables: nearly every change would
dirty a page of its own. In a table of a few thousand changes they share pages, and applying many of them in order of
key touches most pages once (as InnoDB's change buffer does, and as the components of a log-structured merge-tree:
O'Neil et al., "The log-structured merge-tree", Acta Informatica 33, 1996). Readers see both tables as one; all of it is
in the transaction, so that nothing is ever out of step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import lmdb

from index.entries import Entry, PlainEntries

MOST = 8192
"""Changes after which they are applied."""
_SET, _GONE = b"+", b"-"


class LateEntries:
    """A table and its late changes, in one transaction.

    Values of changes begin with a sign that says whether the key is set.
    """

    def __init__(self, settled: PlainEntries, changes: PlainEntries) -> None:
        self._settled, self._changes = settled, changes

    def get(self, key: bytes) -> bytes | None:
        """See `Entries.get`."""
        change = self._changes.get(key)
        if change is None:
            return self._settled.get(key)
        return change[1:] if change[:1] == _SET else None

    def many(self, keys: Iterable[bytes]) -> list[Entry]:
        """See `Entries.many`."""
        asked = ((key, self.get(key)) for key in keys)
        return [(key, value) for key, value in asked if value is not None]

    def put(self, key: bytes, value: bytes) -> None:
        """See `Entries.put`."""
        self._changes.put(key, _SET + value)

    def delete(self, key: bytes) -> bool:
        """See `Entries.delete`."""
        there = self.get(key) is not None
        if self._settled.get(key) is not None:
            self._changes.put(key, _GONE)
        elif there:
            self._changes.delete(key)
        return there

    def entries(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[Entry]:
        """See `Entries.entries`."""
        settled = self._settled.entries(head, edge, reverse=reverse)
        changes = self._changes.entries(head, edge, reverse=reverse)
        old, new = next(settled, None), next(changes, None)
        while old is not None or new is not None:
            if new is None or (old is not None and (old[0] > new[0] if reverse else old[0] < new[0])):
                assert old is not None
                yield old
                old = next(settled, None)
                continue
            if old is not None and old[0] == new[0]:
                old = next(settled, None)
            if new[1][:1] == _SET:
                yield new[0], new[1][1:]
            new = next(changes, None)

    def keys(self, head: bytes = b"", edge: bytes | None = None, *, reverse: bool = False) -> Iterator[bytes]:
        """See `Entries.keys`; values are read."""
        for key, _ in self.entries(head, edge, reverse=reverse):
            yield key


def gathered(txn: lmdb.Transaction, main: lmdb._Database, late: lmdb._Database, number: int) -> LateEntries:
    """A table whose changes are gathered; keys of changes are its number and the key."""
    return LateEntries(PlainEntries(txn, main), PlainEntries(txn, late, bytes([number])))


def apply_changes(txn: lmdb.Transaction, late: lmdb._Database, tables: dict[int, lmdb._Database]) -> None:
    """Applies all changes to their tables, by number, and forgets them."""
    with txn.cursor(db=late) as cursor:
        for raw, change in cursor:
            key, table = bytes(raw[1:]), tables[raw[0]]
            if bytes(change[:1]) == _SET:
                txn.put(key, bytes(change[1:]), db=table)
            else:
                txn.delete(key, db=table)
    txn.drop(late, delete=False)
