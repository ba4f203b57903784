"""Edits by people: through the daemon that runs, or as the writer where none does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec

from daemon.client import Client
from index.curation import Edit, EditReport
from index.layout import require_state
from index.lock import FileLock
from index.store import Store
from index.tables import IDENTITY
from ops.errors import StateBusyError, StateError, StorageError

_PLACE = "api.json"


class Place(msgspec.Struct, frozen=True):
    """Where the API of a running daemon is."""

    url: str


def submit(folder: Path, edit: Edit, token: str = "") -> EditReport:
    """Has an edit done by whoever may write to a state directory.

    Args:
        folder: the state directory.
        edit: what to do.
        token: of the daemon's API, if it asks for one.

    Raises:
        StateBusyError: a daemon runs without its API.
        NotFoundError: there is no such cluster, image or source.
        ShapelodeError: what the daemon answered.
    """
    require_state(folder)  # a mistyped directory must not be made
    try:
        return write_alone(folder, edit)
    except StateBusyError as busy:
        place = _place(folder)
        if place is None:
            raise StateBusyError(f"{busy}, which serves no API; stop it, or run it with its API") from busy
        with Client(place.url, token) as client:
            return client.edit(edit)


def write_alone(folder: Path, edit: Edit) -> EditReport:
    """Does an edit as the writer, which no daemon may be meanwhile.

    Raises:
        StateBusyError: a daemon runs, or another process edits.
        StateError: the folder holds no library yet.
    """
    with FileLock(folder / "daemon.lock"):
        return _write(folder, edit)


def write_apart(folder: Path, edit: Edit) -> EditReport:
    """The same in a process of its own, for one that reads the library: LMDB opens a store once a process.

    Raises:
        StateBusyError: a daemon runs, or another process edits.
        StateError: the folder holds no library yet.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(write_alone, folder, edit).result()


def _write(folder: Path, edit: Edit) -> EditReport:
    from index.ingest import Ingest, IngestConfig  # FAISS takes long to import

    store = Store(folder, readonly=True)
    try:
        with store.read() as txn:
            identity = txn.only(IDENTITY)
    finally:
        store.close()
    if identity is None:
        raise StateError(f"{folder} is empty; `shapelode run` has not started on it yet")
    config = IngestConfig(identity.clusterer)
    ingest = Ingest(folder, identity.backbone, identity.fingerprint, identity.dim, config)
    try:
        return ingest.edit(edit)
    finally:
        ingest.close()


@contextmanager
def announced(folder: Path, url: str) -> Iterator[None]:
    """Leaves in the state directory where the API of its daemon is.

    Raises:
        StorageError: it can't be written.
    """
    path = folder / _PLACE
    try:
        path.write_bytes(msgspec.json.encode(Place(url)))
    except OSError as error:
        raise StorageError("io_error", f"cannot write {path}: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _place(folder: Path) -> Place | None:
    try:
        return msgspec.json.decode((folder / _PLACE).read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None
