"""Changes of derived tables, gathered in a small one until there are many of them.

A batch moves some sixty clusters, and each has entries at random places of large tables: nearly every change would
dirty a page of its own. In a table of a few thousand changes they share pages, and applying many of them in order of
key touches most pages once (as InnoDB's change buffer does, and as the components of a log-structured merge-tree:
O'Neil et al., "The log-structured merge-tree", Acta Informatica 33, 1996). Readers see both tables as one; all of it is
in the transaction, so that nothing is ever out of step.
"""

from __future__ import annotations

from collections.abc import Iterator

import lmdb

MOST = 8192
"""Changes after which they are applied."""
_SET, _GONE = b"+", b"-"
Entry = tuple[bytes, bytes]


class LateTable:
    """A table and its late changes, in one transaction.

    Keys of changes are the table's number and the key; values begin with a sign that says whether the key is set.
    """

    def __init__(self, txn: lmdb.Transaction, main: lmdb._Database, late: lmdb._Database, number: int) -> None:
        self._txn, self._main, self._late = txn, main, late
        self._mark = bytes([number])

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, or None."""
        change = self._txn.get(self._mark + key, db=self._late)
        if change is None:
            raw = self._txn.get(key, db=self._main)
            return None if raw is None else bytes(raw)
        return bytes(change[1:]) if bytes(change[:1]) == _SET else None

    def put(self, key: bytes, value: bytes) -> None:
        """Sets the value under a key."""
        self._txn.put(self._mark + key, _SET + value, db=self._late)

    def delete(self, key: bytes) -> bool:
        """Removes a key; False if there was none."""
        there = self.get(key) is not None
        if self._txn.get(key, db=self._main) is not None:
            self._txn.put(self._mark + key, _GONE, db=self._late)
        elif there:
            self._txn.delete(self._mark + key, db=self._late)
        return there

    def entries(self, head: bytes, edge: bytes, *, reverse: bool) -> Iterator[Entry]:
        """Entries whose keys begin with ``head``, in order.

        Args:
            head: beginning of the keys.
            edge: the first key that may come, in reverse the first that may not.
            reverse: from the greatest key down.
        """
        settled = _walk(self._txn, self._main, b"", head, edge, reverse)
        changes = _walk(self._txn, self._late, self._mark, head, edge, reverse)
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


def _walk(
    txn: lmdb.Transaction, table: lmdb._Database, mark: bytes, head: bytes, edge: bytes, reverse: bool
) -> Iterator[Entry]:
    with txn.cursor(db=table) as cursor:
        found = cursor.set_range(mark + edge)
        if reverse:
            found = cursor.prev() if found else cursor.last()
        while found and (key := bytes(cursor.key())).startswith(mark + head):
            yield key[len(mark) :], bytes(cursor.value())
            found = cursor.prev() if reverse else cursor.next()
