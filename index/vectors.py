"""A FAISS index of descriptors, and its file: a cache that is checked before it is trusted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

import faiss
import msgspec
import numpy as np
from numpy.typing import NDArray

from index.kinds import Kind, ids_of, make_flat, misfit
from ops.errors import StateError
from ops.faults import reach

_faiss: Any = faiss  # whose annotations lack its callbacks
_MAGIC = b"SLVECIX1"
_LENGTH = struct.Struct("<I")
_HEADER_LIMIT = 1 << 16  # a header is a few hundred bytes; a damaged length must not allocate gigabytes
_CHECKSUM = 64  # characters
_BLOCK = 1 << 20  # bytes written and read at once


class IndexHeader(msgspec.Struct, frozen=True):
    """What stands before the index in its file.

    Attributes:
        fingerprint: of the backbone that made the vectors.
        dim: length of a vector.
        count: vectors in it.
        last_id: greatest id in it, -1 for none.
        checksum: hex SHA-256 of the serialised index.
        kind: type of index.
        trained: vectors that there were when it was trained.
    """

    fingerprint: str
    dim: int
    count: int
    last_id: int
    checksum: str
    kind: Kind = "flat"
    trained: int = 0


class VectorIndex:
    """Vectors by id, searched by inner product; ids are numbers of images, without large gaps.

    Attributes:
        dim: length of a vector.
        kind: type of index.
        trained: vectors that there were when it was trained.
        last_id: greatest id held, -1 for none.
    """

    def __init__(self, dim: int, kind: Kind = "flat", trained: int = 0, index: Any = None) -> None:
        """An empty index, by default an exhaustive one.

        Args:
            dim: length of a vector.
            kind: type of index.
            trained: vectors that there were when it was trained.
            index: what `kinds.trained` made of this kind.
        """
        self.dim, self.kind, self.trained = dim, kind, trained
        self.last_id = -1
        self._index: Any = make_flat(dim) if index is None else index
        self._held = np.zeros(0, bool)  # by id
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, vector_id: int) -> bool:
        return 0 <= vector_id < len(self._held) and bool(self._held[vector_id])

    @property
    def exact(self) -> bool:
        """Whether scores are inner products of whole vectors; else they only tell which vectors seem near."""
        return self.kind != "sq"

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Adds ``(N, D)`` vectors under ``(N,)`` ids; nothing is added if an argument is wrong.

        Raises:
            StateError: wrong dimension, an id that is negative, repeated or held already.
        """
        if vectors.ndim != 2 or vectors.shape != (len(ids), self.dim):
            raise StateError(f"the index takes ({len(ids)}, {self.dim}) vectors, not {vectors.shape}")
        fresh = np.unique(np.asarray(ids, np.int64))
        if len(fresh) != len(ids) or (len(fresh) and (fresh[0] < 0 or self._present(fresh).any())):
            raise StateError("ids of new vectors must be new, different and not negative")
        if len(fresh):
            self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.asarray(ids, np.int64))
            self._hold(fresh)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Removes vectors; ids not held are passed over. Returns how many were removed."""
        wanted = np.unique(np.asarray(ids, np.int64))
        present = wanted[self._present(wanted)]
        if len(present):
            self._index.remove_ids(present)
            self._held[present] = False
            self._count -= len(present)
            left = np.flatnonzero(self._held) if self.last_id in present else None
            self.last_id = self.last_id if left is None else int(left.max(initial=-1))
        return len(present)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The nearest vectors of each query, best first.

        Args:
            queries: ``(N, D)`` float32.
            k: neighbours wanted.

        Returns:
            Scores ``(N, k)`` (inner products, of unit vectors, roughly if the index is not `exact`) and ids ``(N, k)``;
            id -1 and score -inf where there are fewer, or fewer in the lists gone through.

        Raises:
            StateError: wrong dimension.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise StateError(f"the index compares (N, {self.dim}) vectors, not {queries.shape}")
        scores, found = self._index.search(np.ascontiguousarray(queries, np.float32), k)
        scores = scores if self.exact else 1.0 - scores / 2.0  # of unit vectors, by their squared distance
        return np.where(found < 0, -np.inf, scores).astype(np.float32), found

    def misfit(self, vectors: NDArray[np.float32]) -> float:
        """How far vectors ``(N, D)`` are from the middles of their lists, as a mean; 0 where there are no lists."""
        return misfit(self._index, vectors)

    def size_bytes(self) -> int:
        """Memory that the index takes for what it holds: a vector or its code, and an id each."""
        code = 4 * self.dim if self.kind == "flat" else int(faiss.extract_index_ivf(self._index).code_size)
        return self._count * (code + 8)

    def save(self, path: Path, *, fingerprint: str) -> None:
        """Writes header and index as one file, atomically, without a second copy of the index in memory.

        Raises:
            StateError: the file can't be written.
        """
        header = IndexHeader(
            fingerprint, self.dim, len(self), self.last_id, "0" * _CHECKSUM, self.kind, self.trained
        )  # fmt: skip
        try:
            _write_atomically(path, header, self._index)
        except OSError as error:
            raise StateError(f"cannot write the vector index {path}: {error.strerror}") from error

    @classmethod
    def load(
        cls, path: Path, *, fingerprint: str, count: int | None = None, last_id: int | None = None,
        kind: Kind | None = None,
    ) -> VectorIndex:  # fmt: skip
        """Reads what `save` wrote.

        Args:
            path: the file.
            fingerprint: of the backbone in use.
            count: vectors it has to hold, None for any number.
            last_id: greatest id it has to have seen, None for any.
            kind: type it has to be of, None for any.

        Raises:
            StateError: missing, of another type, damaged, of another backbone, or not in step; it has to be rebuilt.
        """
        with _opened(path) as file:
            header = _header(path, file)
            if header.fingerprint != fingerprint:
                raise StateError(f"vector index {path} is of another backbone ({header.fingerprint})")
            if count not in (None, header.count) or last_id not in (None, header.last_id):
                raise StateError(f"vector index {path} is stale: {header.count} vectors up to {header.last_id}")
            if kind not in (None, header.kind):
                raise StateError(f"vector index {path} is of type {header.kind}, not {kind}")
            begin = file.tell()
            if hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest() != header.checksum:
                raise StateError(f"vector index {path} is damaged: its checksum does not fit")
            file.seek(begin)
            inner = _faiss.read_index(_faiss.PyCallbackIOReader(file.read, _BLOCK))
        index = cls(header.dim, header.kind, header.trained, inner)
        ids = np.unique(ids_of(inner))
        if len(ids) != header.count:
            raise StateError(f"vector index {path} is damaged: {len(ids)} vectors, not {header.count}")
        index._hold(ids)
        index.last_id = header.last_id
        return index

    def _present(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        known = (ids >= 0) & (ids < len(self._held))
        known[known] = self._held[ids[known]]
        return np.asarray(known, bool)

    def _hold(self, ids: NDArray[np.int64]) -> None:
        needed = int(ids.max(initial=-1)) + 1
        if needed > len(self._held):
            self._held = np.concatenate([self._held, np.zeros(needed - len(self._held) + needed // 2, bool)])
        self._held[ids] = True
        self._count += len(ids)
        self.last_id = max(self.last_id, needed - 1)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise StateError(f"there is no vector index {path}") from error
    except OSError as error:
        raise StateError(f"cannot read the vector index {path}: {error.strerror}") from error


def _header(path: Path, file: BinaryIO) -> IndexHeader:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise StateError(f"vector index {path} is damaged: it does not begin as one")
    try:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return msgspec.json.decode(file.read(min(length, _HEADER_LIMIT)), type=IndexHeader)
    except (struct.error, msgspec.DecodeError) as error:
        raise StateError(f"vector index {path} is damaged: {error}") from error


def _write_atomically(path: Path, header: IndexHeader, index: Any) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            _head(file, header)
            digest = _streamed(file, index)
            file.seek(0)
            _head(file, msgspec.structs.replace(header, checksum=digest))  # of the same length
            file.flush()
            os.fsync(file.fileno())
        reach("index.rename")
        os.replace(name, path)
        reach("index.renamed")
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _head(file: BinaryIO, header: IndexHeader) -> None:
    raw = msgspec.json.encode(header)
    file.write(_MAGIC + _LENGTH.pack(len(raw)) + raw)


def _streamed(file: BinaryIO, index: Any) -> str:
    """Writes the index block by block; returns the SHA-256 of what it wrote."""
    digest = hashlib.sha256()
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
