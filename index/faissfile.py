"""A FAISS index in a file of its own: atomic, checked before it is trusted, and never a second time in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import faiss
import msgspec

from ops.errors import StateError
from ops.faults import reach

_faiss: Any = faiss  # whose annotations lack its callbacks
_LENGTH = struct.Struct("<I")
_HEADER_LIMIT = 1 << 16  # a header is a few hundred bytes; a damaged length must not allocate gigabytes
_BLOCK = 1 << 20  # bytes written and read at once


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the index.

    Attributes:
        checksum: hex SHA-256 of all that follows the header.
    """

    checksum: str = "0" * 64


H = TypeVar("H", bound=Header)


def save(path: Path, magic: bytes, header: Header, index: Any, extra: bytes = b"") -> None:
    """Writes header, what else belongs to it and the index as one file, atomically.

    Raises:
        OSError: the file can't be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            _head(file, magic, header)
            digest = _streamed(file, index, extra)
            file.seek(0)
            _head(file, magic, msgspec.structs.replace(header, checksum=digest))  # of the same length
            file.flush()
            os.fsync(file.fileno())
        reach("index.rename")
        os.replace(name, path)
        reach("index.renamed")
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def sweep(path: Path) -> None:
    """Removes what writers that were killed left of a file; nobody may be writing it."""
    for leftover in path.parent.glob(f"{path.name}?*"):
        leftover.unlink()


@contextlib.contextmanager
def opened(path: Path, what: str) -> Iterator[BinaryIO]:
    """The file, for reading.

    Raises:
        StateError: there is none, or it can't be read.
    """
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise StateError(f"there is no {what} {path}") from error
    except OSError as error:
        raise StateError(f"cannot read the {what} {path}: {error.strerror}") from error


def header_of(file: BinaryIO, magic: bytes, kind: type[H], name: str) -> H:
    """The header that a file begins with.

    Raises:
        StateError: it does not begin with one.
    """
    if file.read(len(magic)) != magic:
        raise StateError(f"{name} is damaged: it does not begin as one")
    try:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return msgspec.json.decode(file.read(min(length, _HEADER_LIMIT)), type=kind)
    except (struct.error, msgspec.DecodeError) as error:
        raise StateError(f"{name} is damaged: {error}") from error


def body_of(file: BinaryIO, header: Header, name: str, extra: int = 0) -> tuple[bytes, Any]:
    """The ``extra`` bytes and the index that follow a header.

    Raises:
        StateError: the checksum does not fit.
    """
    begin = file.tell()
    if hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest() != header.checksum:
        raise StateError(f"{name} is damaged: its checksum does not fit")
    file.seek(begin)
    return file.read(extra), _faiss.read_index(_faiss.PyCallbackIOReader(file.read, _BLOCK))


def _head(file: BinaryIO, magic: bytes, header: Header) -> None:
    raw = msgspec.json.encode(header)
    file.write(magic + _LENGTH.pack(len(raw)) + raw)


def _streamed(file: BinaryIO, index: Any, extra: bytes) -> str:
    """Writes the index block by block; returns the SHA-256 of what it wrote."""
    file.write(extra)
    digest = hashlib.sha256(extra)
    failed: list[BaseException] = []
    begun = False

    def write(block: bytes) -> None:
        nonlocal begun
        if failed:
            return
        digest.update(block)
        try:
            file.write(block)
            if not begun:
                begun = True
                reach("index.write")
        except BaseException as error:  # FAISS would lose what kind of error it was
            failed.append(error)

    _faiss.write_index(index, _faiss.PyCallbackIOWriter(write, _BLOCK))
    if failed:
        raise failed[0]
    return digest.hexdigest()
