"""A FAISS index of descriptors, and its file: a cache that is checked before it is trusted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
from numpy.typing import NDArray

from ops.errors import StateError
from ops.faults import reach

_MAGIC = b"SLVECIX1"
_LENGTH = struct.Struct("<I")
_HEADER_LIMIT = 1 << 16  # a header is a few hundred bytes; a damaged length must not allocate gigabytes


class IndexHeader(msgspec.Struct, frozen=True):
    """What stands before the index in its file.

    Attributes:
        fingerprint: of the backbone that made the vectors.
        dim: length of a vector.
        count: vectors in it.
        last_id: greatest id in it, -1 for none.
        checksum: hex SHA-256 of the serialised index.
    """

    fingerprint: str
    dim: int
    count: int
    last_id: int
    checksum: str


class VectorIndex:
    """Vectors by id, searched by inner product, exhaustively.

    Attributes:
        dim: length of a vector.
        last_id: greatest id held, -1 for none.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.last_id = -1
        self._index: Any = _make(dim)
        self._ids: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, vector_id: int) -> bool:
        return vector_id in self._ids

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Adds ``(N, D)`` vectors under ``(N,)`` ids; nothing is added if an argument is wrong.

        Raises:
            StateError: wrong dimension, an id that is negative, repeated or held already.
        """
        if vectors.ndim != 2 or vectors.shape != (len(ids), self.dim):
            raise StateError(f"the index takes ({len(ids)}, {self.dim}) vectors, not {vectors.shape}")
        fresh = set(ids.tolist())
        if len(fresh) != len(ids) or fresh & self._ids or min(fresh, default=0) < 0:
            raise StateError("ids of new vectors must be new, different and not negative")
        if fresh:
            self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.asarray(ids, np.int64))
            self._ids |= fresh
            self.last_id = max(self.last_id, *fresh)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Removes vectors; ids not held are passed over. Returns how many were removed."""
        present = self._ids & set(ids.tolist())
        if present:
            self._index.remove_ids(np.array(sorted(present), np.int64))
            self._ids -= present
            if self.last_id in present:
                self.last_id = max(self._ids, default=-1)
        return len(present)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The nearest vectors of each query, best first.

        Args:
            queries: ``(N, D)`` float32.
            k: neighbours wanted.

        Returns:
            Scores ``(N, k)`` (inner products) and ids ``(N, k)``; id -1 and score -inf where there are fewer.

        Raises:
            StateError: wrong dimension.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise StateError(f"the index compares (N, {self.dim}) vectors, not {queries.shape}")
        scores, found = self._index.search(np.ascontiguousarray(queries, np.float32), k)
        return np.where(found < 0, -np.inf, scores).astype(np.float32), found

    def vector(self, vector_id: int) -> NDArray[np.float32]:
        """The stored vector ``(D,)`` of an id.

        Raises:
            StateError: the id is not held.
        """
        if vector_id not in self._ids:
            raise StateError(f"the index holds no vector {vector_id}")
        found: NDArray[np.float32] = self._index.reconstruct(vector_id)
        return found

    def save(self, path: Path, *, fingerprint: str) -> None:
        """Writes header and index as one file, atomically.

        Raises:
            StateError: the file can't be written.
        """
        payload = faiss.serialize_index(self._index).tobytes()
        checksum = hashlib.sha256(payload).hexdigest()
        header = msgspec.json.encode(IndexHeader(fingerprint, self.dim, len(self), self.last_id, checksum))
        try:
            _write_atomically(path, [_MAGIC, _LENGTH.pack(len(header)), header, payload])
        except OSError as error:
            raise StateError(f"cannot write the vector index {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path, *, fingerprint: str, count: int | None = None, last_id: int | None = None) -> VectorIndex:
        """Reads what `save` wrote.

        Args:
            path: the file.
            fingerprint: of the backbone in use.
            count: vectors it has to hold, None for any number.
            last_id: greatest id it has to have seen, None for any.

        Raises:
            StateError: missing, damaged, of another backbone, or not in step; it has to be rebuilt.
        """
        header, payload = _read(path)
        if header.fingerprint != fingerprint:
            raise StateError(f"vector index {path} is of another backbone ({header.fingerprint})")
        if count not in (None, header.count) or last_id not in (None, header.last_id):
            raise StateError(f"vector index {path} is stale: {header.count} vectors up to {header.last_id}")
        if hashlib.sha256(payload).hexdigest() != header.checksum:
            raise StateError(f"vector index {path} is damaged: its checksum does not fit")
        index = cls(header.dim)
        index._index = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
        index._ids = set(faiss.vector_to_array(index._index.id_map).tolist())
        index.last_id = header.last_id
        if len(index) != header.count:
            raise StateError(f"vector index {path} is damaged: {len(index)} vectors, not {header.count}")
        return index


def _make(dim: int) -> Any:
    # The one place that decides the type of index; an inverted file for many vectors belongs here.
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))


def _read(path: Path) -> tuple[IndexHeader, bytes]:
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise StateError(f"vector index {path} is damaged: it does not begin as one")
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            header = msgspec.json.decode(file.read(min(length, _HEADER_LIMIT)), type=IndexHeader)
            return header, file.read()
    except FileNotFoundError as error:
        raise StateError(f"there is no vector index {path}") from error
    except OSError as error:
        raise StateError(f"cannot read the vector index {path}: {error.strerror}") from error
    except (struct.error, msgspec.DecodeError) as error:
        raise StateError(f"vector index {path} is damaged: {error}") from error


def _write_atomically(path: Path, parts: list[bytes]) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts[:-1])
            half = len(parts[-1]) // 2
            file.write(parts[-1][:half])
            reach("index.write")
            file.write(parts[-1][half:])
            file.flush()
            os.fsync(file.fileno())
        reach("index.rename")
        os.replace(name, path)
        reach("index.renamed")
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
