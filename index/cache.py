"""The FAISS index of a state directory: a cache of the store, rebuilt whenever it can't be trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_vector
from index.store import Store
from index.tables import VECTORS
from index.vectors import VectorIndex
from ops.errors import StateError
from ops.faults import reach
from ops.logs import get_logger

_log = get_logger("index")
_FILE = "vectors.faiss"
_CHUNK = 4096
_PROBES = 16
_NEIGHBOURS = 10


class VectorCache:
    """Descriptors of all stored images in FAISS, in step with the store.

    Attributes:
        recall: share of a sample of stored images that a search for their own descriptors finds, as of the last probe.
    """

    def __init__(self, folder: Path, fingerprint: str, dim: int, store: Store) -> None:
        self._store = store
        self._path = folder / _FILE
        self._fingerprint = fingerprint
        self._sweep()
        self._index = self._loaded(dim)
        self.recall = self.probe()

    def _sweep(self) -> None:
        # A writer that was killed while it saved leaves its temporary file; the lock says that none is at it now.
        for leftover in self._path.parent.glob(f"{_FILE}?*"):
            leftover.unlink()

    def _loaded(self, dim: int) -> VectorIndex:
        stored = self._stored()
        try:
            index = VectorIndex.load(self._path, fingerprint=self._fingerprint)
        except StateError as error:
            if stored:
                _log.warning("rebuilding the FAISS index of %d vectors: %s", stored, error)
            index = VectorIndex(dim)
        return self._caught_up(index, stored)

    def _stored(self) -> int:
        with self._store.read() as txn:
            return txn.count(VECTORS)

    def _caught_up(self, index: VectorIndex, stored: int) -> VectorIndex:
        """The index with what it lacks, or a new one if it holds what is not stored, such as deleted images."""
        _fill(index, self._store, index.last_id + 1)
        if len(index) != stored:
            _log.warning("rebuilding the FAISS index: it holds %d vectors, the store %d", len(index), stored)
            index = VectorIndex(index.dim)
            _fill(index, self._store, 0)
        return index

    def add(self, ids: list[int], vectors: list[NDArray[np.float32]], stored: int) -> None:
        """Adds what has just been committed, and what an earlier call failed to add.

        Args:
            ids: of the images, which follow on all others.
            vectors: theirs.
            stored: images in the store with them.
        """
        if ids and len(self._index) + len(ids) == stored and self._index.last_id < ids[0]:
            reach("faiss.before")
            self._index.add(np.asarray(ids, np.int64), np.stack(vectors))
            reach("faiss.after")
        elif len(self._index) != stored:
            self._index = self._caught_up(self._index, stored)

    def remove(self, ids: list[int]) -> None:
        """Removes what has just been deleted from the store."""
        self._index.remove(np.asarray(ids, np.int64))
        if len(self._index) != (stored := self._stored()):
            self._index = self._caught_up(self._index, stored)

    def save(self) -> bool:
        """Writes the index beside the store, atomically; False if that failed: being a cache, it holds up nothing."""
        self.recall = self.probe()
        try:
            self._index.save(self._path, fingerprint=self._fingerprint)
        except StateError as error:
            _log.warning("%s; the next start builds what is missing anew", error)
            return False
        return True

    def probe(self) -> float:
        """Recall at `_NEIGHBOURS` of images spread evenly over the store, each searched for by its own descriptor."""
        with self._store.read() as txn:
            stored = txn.count(VECTORS)
            ids = np.unique(np.linspace(0, stored - 1, min(stored, _PROBES)).round().astype(np.int64))
            raw = [txn.get(VECTORS, int(number)) for number in ids]
        if not stored:
            return 1.0
        queries = np.stack([decode_vector(one) if one else np.zeros(self._index.dim, np.float32) for one in raw])
        _, found = self._index.search(queries, _NEIGHBOURS)
        return float(np.mean((found == ids[:, None]).any(axis=1)))

    def size_bytes(self) -> int:
        """Memory that the index takes for what it holds: a float32 vector and an id each."""
        return len(self._index) * (4 * self._index.dim + 8)

    def __len__(self) -> int:
        return len(self._index)


def _fill(index: VectorIndex, store: Store, start: int) -> None:
    ids: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    with store.read() as txn:
        for key, raw in txn.scan(VECTORS, start=start):
            ids.append(key[0])
            vectors.append(decode_vector(raw))
            if len(ids) == _CHUNK:
                index.add(np.asarray(ids, np.int64), np.stack(vectors))
                ids, vectors = [], []
    if ids:
        index.add(np.asarray(ids, np.int64), np.stack(vectors))
