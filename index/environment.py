"""The LMDB environment: a map that grows by itself, and errors that say what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lmdb

from index.gate import Gate
from ops.errors import StateError, StorageError
from ops.logs import get_logger

_log = get_logger("store")
_MAX_READERS = 512
# LMDB maps its table of readers and writes to it: on a full disk that would be a SIGBUS, not an error.
_LOCK_BYTES = 64 * 2**10
_SCARCE_BYTES = 4 * 2**20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Environment:
    """An LMDB environment and its named databases.

    The map starts small and doubles when it is full. Its size is in the file, so other processes adopt it with
    their next transaction. LMDB changes a map only while the process has no transaction open, hence the gate.

    Attributes:
        databases: handles by name.
        limit_bytes: bytes the map may grow to.
    """

    def __init__(self, path: Path, names: Sequence[str], *, readonly: bool, start: int, limit: int) -> None:
        """Opens the environment, creating it when writing.

        Args:
            path: folder of the environment.
            names: databases.
            readonly: open for reading only.
            start: bytes of the map of a new environment.
            limit: bytes the map may grow to.

        Raises:
            StorageError: the disk is full or failing.
            StateError: LMDB can't open it.
        """
        self._path = path
        self._names = names
        self._readonly = readonly
        self._start = min(start, limit)
        self.limit_bytes = limit
        self._gate = Gate()
        self._broken = False
        self._open()

    def _open(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            _allocate_lock(self._path / "lock.mdb", self._readonly)
            fresh = not (self._path / "data.mdb").exists()
            self._env = lmdb.open(
                str(self._path), map_size=self._start if fresh else 0, max_dbs=len(self._names),
                readonly=self._readonly, max_readers=_MAX_READERS, create=not self._readonly,
                readahead=False,  # neighbours in a file larger than memory are not read next, even by scans
            )  # fmt: skip
            self.databases = self._opened()
        except (lmdb.Error, OSError) as error:
            if is_storage_failure(error):
                raise storage_error(error, self._path) from error
            raise StateError(f"cannot open the store {self._path}: {error}") from error

    def _opened(self) -> dict[str, lmdb._Database]:
        """Handles of the databases there are, or of all, made together, if there are none yet."""
        with self._env.begin() as txn:
            found = {bytes(name).decode() for name in txn.cursor().iternext(values=False)}
        if found or self._readonly:
            return {name: self._env.open_db(name.encode(), create=False) for name in self._names if name in found}
        with self._env.begin(write=True) as txn:
            return {name: self._env.open_db(name.encode(), txn=txn) for name in self._names}

    def complete(self, txn: lmdb.Transaction) -> None:
        """Makes the databases that an older version did not have; `incomplete` has to follow if that is undone."""
        for name in self._names:
            if name not in self.databases:
                self.databases[name] = self._env.open_db(name.encode(), txn=txn)

    def incomplete(self) -> None:
        """Forgets the handles of databases whose making was undone."""
        self.databases = self._opened()

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[lmdb.Transaction]:
        """One transaction, committed on leaving, undone if an exception leaves it.

        Raises:
            lmdb.MapFullError: the map is full; `grow` and do it all again.
            StorageError: the disk is full or failing; nothing of the transaction was kept.
        """
        while True:
            if self._broken:
                self._reopen()
            try:
                with self._gate.shared(), self._env.begin(write=write) as txn:
                    yield txn
                return
            except lmdb.MapResizedError:
                self._adopt()  # raised by `begin` alone, so nothing was yielded yet
            except (lmdb.Error, OSError) as error:
                if not is_storage_failure(error):
                    raise
                self._broken = write  # LMDB may refuse all further use of an environment whose commit failed
                raise storage_error(error, self._path) from error

    def grow(self) -> None:
        """Doubles the map.

        Raises:
            StateError: it is as large as it may be.
        """
        size = self.map_bytes()
        self.forget_dead_readers()
        wanted = min(2 * size, self.limit_bytes)
        if wanted <= size:
            raise StateError(
                f"the store {self._path} has filled the {size / 2**30:.2f} GiB it may take; raise store.map_size_gib"
            )
        with self._gate.alone():
            self._env.set_mapsize(wanted)
        _log.info("the store's map has grown to %.2f GiB", wanted / 2**30)

    def _adopt(self) -> None:
        with self._gate.alone():
            self._env.set_mapsize(0)

    def _reopen(self) -> None:
        with self._gate.alone():
            self._env.close()
            self._open()
            self._broken = False

    def forget_dead_readers(self) -> int:
        """Frees what processes that were killed while they read still hold: until then the file can only grow.

        Returns:
            How many there were.
        """
        return int(self._env.reader_check())

    def copy(self, folder: Path) -> None:
        """Writes a compacted copy as of one moment into an existing folder, while others go on writing.

        Raises:
            StorageError: the copy can't be written.
        """
        try:
            with self._gate.shared():
                self._env.copy(str(folder), compact=True)
        except (lmdb.Error, OSError) as error:
            raise storage_error(error, folder) from error

    def used_bytes(self) -> int:
        """Bytes of the map in use."""
        return int((self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def database_bytes(self) -> dict[str, int]:
        """Bytes of the pages of each database, by name."""
        with self.transaction(write=False) as txn:
            found = {name: txn.stat(database) for name, database in self.databases.items()}
        return {
            name: int((pages["branch_pages"] + pages["leaf_pages"] + pages["overflow_pages"]) * pages["psize"])
            for name, pages in found.items()
        }

    def map_bytes(self) -> int:
        """Bytes of the map."""
        return int(self._env.info()["map_size"])

    def close(self) -> None:
        """Releases the environment; transactions must have ended."""
        self._env.close()


def _allocate_lock(path: Path, readonly: bool) -> None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        if readonly:
            return  # a read-only volume has no writers either: LMDB reads it without a lock
        raise
    try:
        os.posix_fallocate(handle, 0, _LOCK_BYTES)
    finally:
        os.close(handle)


def is_storage_failure(error: Exception) -> bool:
    """Whether the disk, rather than what was asked of it, is to blame."""
    if isinstance(error, OSError):
        return error.errno in (*_FULL, errno.EIO)
    return any(os.strerror(code) in str(error) for code in (*_FULL, errno.EIO))


def storage_error(error: Exception, path: Path) -> StorageError:
    """The error that tells a person what to do about a full or failing disk."""
    # LMDB reports a write that was cut short for want of space as an I/O error.
    full = _is_full(error) or _is_scarce(path)
    if full:
        return StorageError("no_space", f"no space left for {path}; free some space, nothing is lost meanwhile")
    return StorageError("io_error", f"cannot write to {path}: {error}; check the disk, nothing is lost meanwhile")


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in _FULL
    return any(os.strerror(code) in str(error) for code in _FULL)


def _is_scarce(path: Path) -> bool:
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _SCARCE_BYTES
