"""A new FAISS index beside the one in use: trained with what is stored and filled with it, a step at a time."""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.codec import decode_vector
from index.kinds import Kind, sample_size, training
from index.store import Store
from index.tables import VECTORS
from index.vectors import VectorIndex

CHUNK = 4096
"""Vectors read and added at once; bounds memory and the time of a step."""
_NO_VECTORS = np.zeros((0, 0), np.float32)


class Regrowth:
    """Makes an index of all stored vectors while others are stored; holds no transaction between two steps."""

    def __init__(self, store: Store, dim: int, kind: Kind, chunk: int = CHUNK) -> None:
        """Begins, with nothing read yet; ``chunk`` vectors are added a step."""
        self._store = store
        self._chunk = chunk
        self._index = VectorIndex(dim, "flat")
        self._steps = self._all(dim, kind)

    def step(self) -> VectorIndex | None:
        """Takes a step; the index once it has all that is stored."""
        try:
            next(self._steps)
        except StopIteration as done:
            found: VectorIndex = done.value
            return found
        return None

    def finish(self) -> VectorIndex:
        """Takes all steps that are left."""
        while (found := self.step()) is None:
            pass
        return found

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Leaves out what has just been deleted from the store."""
        self._index.remove(ids)

    def _all(self, dim: int, kind: Kind) -> Generator[None, None, VectorIndex]:
        with self._store.read() as txn:
            count = txn.count(VECTORS)
        if kind != "flat":
            sample = yield from self._sample(count)
            inner = yield from training(kind, sample, count)
            self._index = VectorIndex(dim, kind, count, inner)
        while add_chunk(self._index, self._store, self._chunk):
            yield
        return self._index

    def _sample(self, count: int) -> Generator[None, None, NDArray[np.float32]]:
        """Vectors spread evenly over the store, read part by part."""
        parts: list[NDArray[np.float32]] = []
        with self._store.read() as txn:
            last = (txn.last_key(VECTORS) or (0,))[0]
        ids = np.unique(np.linspace(0, last, sample_size(count)).astype(np.int64))
        for begin in range(0, len(ids), CHUNK):
            with self._store.read() as txn:
                raw = [txn.get(VECTORS, number) for number in ids[begin : begin + CHUNK].tolist()]
            parts += [decode_vector(one)[None] for one in raw if one is not None]
            yield
        return np.concatenate(parts)


def newer(store: Store, last: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids ``(N,)`` and vectors ``(N, D)`` of the first images behind an id, ``count`` at most; of none ``(0, 0)``."""
    with store.read() as txn:
        rows = list(islice(txn.scan(VECTORS, start=last + 1), count))
    vectors = decode_vector(b"".join(raw for _, raw in rows)).reshape(len(rows), -1) if rows else _NO_VECTORS
    return np.array([key[0] for key, _ in rows], np.int64), vectors


def add_chunk(index: VectorIndex, store: Store, count: int = CHUNK) -> bool:
    """Adds the next stored vectors behind the greatest id that the index has had; False once there are no more."""
    ids, vectors = newer(store, index.last_id, count)
    if len(ids):
        index.add(ids, vectors)
    return len(ids) == count


def catch_up(index: VectorIndex, store: Store) -> None:
    """Adds all stored vectors behind the greatest id that the index has had."""
    while add_chunk(index, store):
        pass
