"""Where the sums of micro-clusters are kept: those of a single image are its vector, and not kept twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from index.clustering import unit_rows
from index.codec import decode_vector
from index.records import MicroRecord
from index.store import Transaction
from index.tables import MICRO_SAMPLES, MICRO_SUMS, VECTORS
from ops.errors import StateError

_HALF = 2  # bytes of a number of a vector


class StoredSums:
    """Reads sums in the transaction that is told; a clusterer's source of them."""

    def __init__(self, dim: int) -> None:
        """Of vectors of ``dim`` numbers."""
        self._dim = dim
        self._txn: Transaction | None = None

    @contextmanager
    def within(self, txn: Transaction) -> Iterator[None]:
        """Reads in a transaction, until this is left."""
        self._txn = txn
        try:
            yield
        finally:
            self._txn = None

    def __call__(self, micros: NDArray[np.int64]) -> NDArray[np.float32]:
        """Sums ``(M, D)``; of micro-clusters that are empty zeros.

        Raises:
            StateError: the store lacks what they are made of.
        """
        if self._txn is None:
            raise StateError("sums of micro-clusters are read outside of a transaction: a bug, please report it")
        found = np.zeros((len(micros), self._dim), np.float32)
        kept = dict(self._txn.many(MICRO_SUMS, micros.tolist()))
        others: list[tuple[int, int]] = []
        for place, micro in enumerate(micros.tolist()):
            if (raw := kept.get(micro)) is None:
                others.append((place, micro))
            else:
                found[place] = self._decoded(micro, raw)
        images = self._txn.first_under(MICRO_SAMPLES, [micro for _, micro in others])
        lone = [(place, image) for (place, _), image in zip(others, images, strict=True) if image is not None]
        vectors = dict(self._txn.many(VECTORS, [image for _, image in lone]))
        if missing := [image for _, image in lone if len(vectors.get(image, b"")) != _HALF * self._dim]:
            raise StateError(f"the store lacks the vector of image {min(missing)}: restore a backup")
        if lone:
            rows = decode_vector(b"".join(vectors[image] for _, image in lone)).reshape(len(lone), self._dim)
            found[[place for place, _ in lone]] = unit_rows(rows)
        return found

    def _decoded(self, micro: int, raw: bytes) -> NDArray[np.float32]:
        row = np.frombuffer(raw, "<f4")
        if len(row) != self._dim:
            raise StateError(f"the sum of micro-cluster {micro} is not of {self._dim} numbers: restore a backup")
        return row


def put_sum(txn: Transaction, record: MicroRecord, total: bytes) -> None:
    """Keeps the sum of a micro-cluster that has changed, unless it is a single vector or nothing."""
    if record.count > 1:
        txn.put(MICRO_SUMS, record.id, total)
    elif record.revision:  # it may have had more
        txn.delete(MICRO_SUMS, record.id)
