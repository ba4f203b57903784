"""A FAISS index of descriptors, and its file: a cache that is checked before it is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index import faissfile
from index.faissfile import Header
from index.kinds import Kind, add_to, ids_of, make_flat
from ops.errors import StateError

_MAGIC = b"SLVECIX1"


class IndexHeader(Header, frozen=True, kw_only=True):
    """What stands before the index in its file.

    Attributes:
        fingerprint: of the backbone that made the vectors.
        dim: length of a vector.
        count: vectors in it.
        last_id: greatest id in it, -1 for none.
        kind: type of index.
        trained: vectors that there were when it was trained.
    """

    fingerprint: str
    dim: int
    count: int
    last_id: int
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

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> float:
        """Adds ``(N, D)`` vectors under ``(N,)`` ids; nothing is added if an argument is wrong.

        Returns:
            How far they are from the middles of their lists, as a mean; 0 where there are no lists.

        Raises:
            StateError: wrong dimension, an id that is negative, repeated or held already.
        """
        if vectors.ndim != 2 or vectors.shape != (len(ids), self.dim):
            raise StateError(f"the index takes ({len(ids)}, {self.dim}) vectors, not {vectors.shape}")
        fresh = np.unique(np.asarray(ids, np.int64))
        if len(fresh) != len(ids) or (len(fresh) and (fresh[0] < 0 or self._present(fresh).any())):
            raise StateError("ids of new vectors must be new, different and not negative")
        if not len(fresh):
            return 0.0
        far = add_to(self._index, np.asarray(ids, np.int64), np.ascontiguousarray(vectors, np.float32))
        self._hold(fresh)
        return far

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
            fingerprint=fingerprint, dim=self.dim, count=len(self), last_id=self.last_id, kind=self.kind,
            trained=self.trained,
        )  # fmt: skip
        try:
            faissfile.save(path, _MAGIC, header, self._index)
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
        name = f"vector index {path}"
        with faissfile.opened(path, "vector index") as file:
            header = faissfile.header_of(file, _MAGIC, IndexHeader, name)
            if header.fingerprint != fingerprint:
                raise StateError(f"vector index {path} is of another backbone ({header.fingerprint})")
            if count not in (None, header.count) or last_id not in (None, header.last_id):
                raise StateError(f"vector index {path} is stale: {header.count} vectors up to {header.last_id}")
            if kind not in (None, header.kind):
                raise StateError(f"vector index {path} is of type {header.kind}, not {kind}")
            _, inner = faissfile.body_of(file, header, name)
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
