"""Backups of a state directory, taken beside a running daemon, and states made from them.

A backup is a folder with a compacted copy of the store as of one moment and a manifest with its checksum. The FAISS
index is not in it: it is built from the store. Both are made under another name first, so that what has its name is
whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from daemon.periodic import every
from index.cache import VectorCache
from index.environment import is_storage_failure, storage_error
from index.migrations import check_known, schema_of
from index.store import Store
from index.tables import IDENTITY
from ops.clock import wall_time
from ops.errors import StateError
from ops.fsck import check_state

MANIFEST = "manifest.json"
_FORMAT = 1
_DATA = Path("lmdb") / "data.mdb"
_CHUNK = 8 * 2**20
_LOOK_S = 0.2
Tell = Callable[[str, int, int], None]
"""Told of progress: the step, bytes done and bytes in all."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself.

    Attributes:
        format: of the backup.
        schema: of the store.
        images: in it.
        bytes: of the copy.
        sha256: hex digest of the copy.
        time: Unix time.
    """

    format: int
    schema: int
    images: int
    bytes: int
    sha256: str
    time: float


@dataclass(frozen=True, slots=True)
class Copied:
    """What was written."""

    target: str
    images: int
    bytes: int


def backup(folder: Path, target: Path, tell: Tell) -> Copied:
    """Writes a backup of a state directory as of now; a daemon may go on meanwhile.

    Args:
        folder: the state directory.
        target: the backup, which must not exist.
        tell: told of progress.

    Raises:
        StateError: there is no state, the target exists, or the copy does not pass the checker.
        StorageError: the disk is full or failing.
    """
    if target.exists():
        raise StateError(f"{target} exists already; choose another name for the backup")
    with _made_whole(target) as partial:
        (partial / _DATA.parent).mkdir()
        schema = _copy_store(folder, partial / _DATA.parent, tell)
        images = _checked(partial, tell)
        size = (partial / _DATA).stat().st_size
        manifest = Manifest(_FORMAT, schema, images, size, _digest(partial / _DATA, None, tell), wall_time())
        (partial / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return Copied(str(target), images, size)


def restore(source: Path, folder: Path, tell: Tell) -> Copied:
    """Makes a state directory from a backup.

    Args:
        source: the backup.
        folder: the state directory, which must not exist or be empty.
        tell: told of progress.

    Raises:
        StateError: it is no backup, is damaged or of a newer version, or the directory holds something.
        StorageError: the disk is full or failing.
    """
    manifest = read_manifest(source)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StateError(f"{folder} is not empty; restore into a new state directory")
    with _made_whole(folder) as partial:
        (partial / _DATA.parent).mkdir()
        if _digest(source / _DATA, partial / _DATA, tell) != manifest.sha256:
            raise StateError(f"{source} is damaged: {_DATA} does not have its checksum; use another backup")
        _build_index(partial)
        images = _checked(partial, tell)
    return Copied(str(folder), images, manifest.bytes)


def read_manifest(source: Path) -> Manifest:
    """What a backup says of itself.

    Raises:
        StateError: it is none, or of a newer version.
    """
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(f"{source} is no backup: {error}; `shapelode backup` makes one") from error
    if manifest.format != _FORMAT:
        raise StateError(f"{source} is a backup of format {manifest.format}; update Shapelode")
    check_known(manifest.schema, source)
    return manifest


@contextmanager
def _made_whole(target: Path) -> Iterator[Path]:
    """A folder that gets its name only if all went well, and leaves nothing if not."""
    partial = target.parent / f".{target.name}.{os.getpid()}.partial"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        (partial / _DATA.parent / "lock.mdb").unlink(missing_ok=True)
        _settle(partial)
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        if is_storage_failure(error):
            raise storage_error(error, target) from error
        raise StateError(f"cannot write {target}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_store(folder: Path, target: Path, tell: Tell) -> int:
    store = Store(folder, readonly=True)
    try:
        schema = schema_of(store)
        if schema is None:
            raise StateError(f"{folder} is empty; there is nothing to back up")
        check_known(schema, folder)
        total = store.size_bytes()
        with every(_LOOK_S, lambda: tell("copying", min(_size(target / _DATA.name), total), total)):
            store.copy(target)
        return schema
    finally:
        store.close()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checked(folder: Path, tell: Tell) -> int:
    tell("checking", 0, 1)
    report = check_state(folder)
    if not report.clean:
        first = report.errors[0]
        raise StateError(f"the copy does not pass the checker: {first.what}; run `shapelode fsck` on the state")
    tell("checking", 1, 1)
    return report.records["samples"]


def _digest(path: Path, copy: Path | None, tell: Tell) -> str:
    """Hex SHA-256 of a file, copying it on the way if asked to."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as source, (copy or Path(os.devnull)).open("wb") as sink:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            sink.write(chunk)
            done += len(chunk)
            tell("copying" if copy else "summing", done, total)
    return digest.hexdigest()


def _build_index(folder: Path) -> None:
    store = Store(folder, readonly=True)
    try:
        with store.read() as txn:
            identity = txn.only(IDENTITY)
        if identity is None:
            raise StateError(f"{folder} says nothing of how it was made; use another backup")
        VectorCache(folder, identity.fingerprint, identity.dim, store).save()
    finally:
        store.close()


def _settle(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
