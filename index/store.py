"""The store of a state directory: one writer, any number of readers in any process, typed transactions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import lmdb

from index.entries import Entries, PlainEntries
from index.environment import Environment
from index.late import MOST, apply_changes, gathered
from index.layout import STORE, require_state
from index.records import Counters, Identity
from index.tables import ALL_TABLES, COUNTERS, IDENTITY, LATE, MAX_U64, Key, Table, decode_key, encode_key
from ops.errors import FingerprintError, StateError, StorageError
from ops.logs import get_logger

_log = get_logger("store")
T = TypeVar("T")
SCHEMA = 8
_ONLY = "only"  # key of tables that hold a single record
_START_BYTES = 64 * 2**20
_NUMBER = struct.Struct(">Q")


class Transaction:
    """Typed reads and writes of one LMDB transaction; everything in it becomes durable together."""

    def __init__(self, txn: lmdb.Transaction, env: Environment) -> None:
        self._txn = txn
        self._env = env
        self._databases = env.databases
        self._tables: dict[str, Entries] = {}

    def complete(self) -> None:
        """Makes the tables that an older version did not have; `Store.incomplete` has to follow if that is undone."""
        self._env.complete(self._txn)

    def _entries(self, table: Table[T]) -> Entries:
        found = self._tables.get(table.name)
        if found is None:
            main = self._databases[table.name]
            late = self._databases[LATE.name] if table.late else None
            found = PlainEntries(self._txn, main) if late is None else gathered(self._txn, main, late, table.late)
            self._tables[table.name] = found
        return found

    def get(self, table: Table[T], key: Key) -> T | None:
        """The value under a key, or None."""
        raw = self._entries(table).get(encode_key(key))
        return None if raw is None else table.decode(raw)

    def many(self, table: Table[T], numbers: Iterable[int]) -> list[tuple[int, T]]:
        """Those of the integer keys that exist, and their values, in the order asked for."""
        found = self._entries(table).many(map(_NUMBER.pack, numbers))
        return [(decode_key(key), table.decode(raw)) for key, raw in found]

    def first_under(self, table: Table[T], heads: Iterable[int]) -> list[int | None]:
        """For each integer the least second part of a key that begins with it, None where there is none."""
        entries = self._entries(table)
        firsts = (next(entries.keys(head), None) for head in map(_NUMBER.pack, heads))
        return [None if key is None else decode_key(key[8:16]) for key in firsts]

    def put(self, table: Table[T], key: Key, value: T) -> None:
        """Sets the value under a key."""
        self._entries(table).put(encode_key(key), table.encode(value))

    def delete(self, table: Table[T], key: Key) -> bool:
        """Removes a key; False if there was none."""
        return self._entries(table).delete(encode_key(key))

    def count(self, table: Table[T]) -> int:
        """Entries in a table whose changes are not gathered, at constant cost."""
        assert not table.late, table.name
        return int(self._txn.stat(self._databases[table.name])["entries"])

    def scan(
        self, table: Table[T], *, prefix: int | None = None, start: int = 0, reverse: bool = False
    ) -> Iterator[tuple[tuple[int, ...], T]]:
        """Entries of a table with integer keys, in key order.

        Args:
            table: the table.
            prefix: only keys whose first part is this.
            start: with ``prefix`` the least second part, else the least first part; in reverse the greatest.
            reverse: from the greatest key down, ``start`` 0 meaning the end.

        Yields:
            the integer parts of the key, and the value.
        """
        head = b"" if prefix is None else _NUMBER.pack(prefix)
        edge = head + (_beyond(start) if reverse else _NUMBER.pack(max(start, 0)))
        for key, raw in self._entries(table).entries(head, edge, reverse=reverse):
            yield struct.unpack(f">{len(key) // 8}Q", key), table.decode(raw)

    def keys(
        self, table: Table[T], head: Key = (), *, after: Key | None = None, reverse: bool = False
    ) -> Iterator[bytes]:
        """What follows ``head`` in the keys that begin with it, in order.

        Args:
            table: the table.
            head: beginning of the keys.
            after: only keys beyond this one, which goes on where ``head`` ends.
            reverse: from the greatest key down; ``after`` then means those before it.
        """
        start = encode_key(head)
        edge = None if after is None else start + encode_key(after)
        for key in self._entries(table).keys(start, edge, reverse=reverse):
            if key != edge:
                yield key[len(start) :]

    def values(self, table: Table[T]) -> Iterator[T]:
        """All values of a table, in key order, whatever its keys are."""
        for _, raw in self._entries(table).entries():
            yield table.decode(raw)

    def named(self, table: Table[T]) -> Iterator[tuple[str, T]]:
        """Entries of a table whose keys are text, in key order."""
        for key, raw in self._entries(table).entries():
            yield key.decode(), table.decode(raw)

    def last_key(self, table: Table[T], prefix: int | None = None) -> tuple[int, ...] | None:
        """The greatest integer key of a table (under a prefix), or None."""
        return next((key for key, _ in self.scan(table, prefix=prefix, reverse=True)), None)

    def only(self, table: Table[T]) -> T | None:
        """The value of a table that holds a single record."""
        return self.get(table, _ONLY)

    def put_only(self, table: Table[T], value: T) -> None:
        """Sets the value of a table that holds a single record."""
        self.put(table, _ONLY, value)

    def apply_late(self, most: int = 0) -> None:
        """Applies changes that were gathered, if there are more than so many."""
        late = self._databases.get(LATE.name)
        if late is not None and self._txn.stat(late)["entries"] > most:
            apply_changes(self._txn, late, {t.late: self._databases[t.name] for t in ALL_TABLES if t.late})

    def counters(self) -> Counters:
        """The library's totals."""
        return self.only(COUNTERS) or Counters()


def _beyond(start: int) -> bytes:
    """What follows a head in a key beyond all whose next part is ``start`` or less, 0 meaning any."""
    return _NUMBER.pack(start or MAX_U64) + b"\xff" * 16


class Store:
    """The LMDB environment of a state directory."""

    def __init__(self, folder: Path, *, readonly: bool, map_size_gib: float = 256.0) -> None:
        """Opens the environment, creating it when writing.

        Args:
            folder: the state directory.
            readonly: open for reading only; the environment must exist.
            map_size_gib: the most the store may grow to; it starts small.

        Raises:
            StateError: the directory holds no store, or one that LMDB cannot open.
            StorageError: the disk is full or failing.
        """
        self.folder = folder
        self._readonly = readonly
        path = folder / STORE
        if readonly:
            require_state(folder)
        names = [table.name for table in ALL_TABLES]
        self._env = Environment(path, names, readonly=readonly, start=_START_BYTES, limit=int(map_size_gib * 2**30))
        # A reader may come between the making of the file and the first transaction, which makes all databases.
        if not self._env.databases:
            self._env.close()
            raise StateError(f"{folder} is empty; `shapelode run` has not started on it yet")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A consistent snapshot; writers go on meanwhile. A thread opens one at a time."""
        with self._env.transaction(write=False) as txn:
            yield Transaction(txn, self._env)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """The one write transaction: durable on leaving, undone if an exception leaves it.

        Raises:
            StorageError: the disk is full or failing.
            lmdb.MapFullError: the map is full; `transact` lets it grow.
        """
        with self._env.transaction(write=True) as txn:
            made = Transaction(txn, self._env)
            yield made
            made.apply_late(MOST)

    def transact(self, work: Callable[[Transaction], T], undone: Callable[[], None] | None = None) -> T:
        """Does work in one write transaction, again from its beginning if the map has to grow for it.

        Args:
            work: what is done; it may run more than once.
            undone: called whenever what ``work`` did was undone, to bring what is in memory back in step.

        Raises:
            StorageError: the disk is full or failing.
            StateError: the store may not grow any further.
        """
        while True:
            try:
                with self.write() as txn:
                    return work(txn)
            except lmdb.MapFullError:
                if undone is not None:
                    undone()
                self._env.grow()
            except BaseException:
                if undone is not None:
                    undone()
                raise

    def incomplete(self) -> None:
        """Forgets tables whose making was undone."""
        self._env.incomplete()

    def forget_dead_readers(self) -> int:
        """Frees what processes that were killed while they read still hold; tells how many there were."""
        return self._env.forget_dead_readers()

    def copy(self, folder: Path) -> None:
        """Writes a compacted copy as of one moment into an existing folder.

        Raises:
            StorageError: the copy can't be written.
        """
        self._env.copy(folder)

    def size_bytes(self) -> int:
        """Bytes of the map in use."""
        return self._env.used_bytes()

    def table_bytes(self) -> dict[str, int]:
        """Bytes of the map that each table takes, by its name."""
        return self._env.database_bytes()

    def map_bytes(self) -> int:
        """Bytes of the map; it grows by itself."""
        return self._env.map_bytes()

    def limit_bytes(self) -> int:
        """Bytes the map may grow to."""
        return self._env.limit_bytes

    def close(self) -> None:
        """Applies what was gathered, unless the disk is full, and releases the environment; transactions have ended."""
        try:
            if not self._readonly and self._pending():
                self.transact(lambda txn: txn.apply_late())
        except (StorageError, StateError) as error:
            _log.warning("changes of lists stay gathered: %s", error)
        finally:
            self._env.close()

    def _pending(self) -> bool:
        with self._env.transaction(write=False) as txn:
            late = self._env.databases.get(LATE.name)
            return late is not None and bool(txn.stat(late)["entries"])


def claim_identity(store: Store, wanted: Identity) -> Identity:
    """Records what a new state directory is made with, or checks it against an old one.

    Raises:
        FingerprintError: the directory holds vectors of another backbone.
        StateError: it was clustered by another clusterer.
    """
    with store.read() as txn:
        found = txn.only(IDENTITY)
    if found is None:
        store.transact(lambda txn: txn.put_only(IDENTITY, wanted))
        return wanted
    if found.fingerprint != wanted.fingerprint:
        raise FingerprintError(
            f"{store.folder} was made with backbone {found.backbone} ({found.fingerprint}), not "
            f"{wanted.backbone} ({wanted.fingerprint}); use that backbone or another --state"
        )
    if found.clusterer != wanted.clusterer:
        raise StateError(f"{store.folder} was clustered by {found.clusterer!r}, not {wanted.clusterer!r}; use that one")
    return found
