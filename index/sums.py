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
from index.tables import MICRO_SAMPLES, MICRO_SUMS, VECTORS, decode_key
from ops.errors import StateError


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
        lone: dict[int, list[int]] = {}  # image -> places of the micro-clusters that it is alone in
        for place, micro in enumerate(micros.tolist()):
            if (raw := kept.get(micro)) is not None:
                found[place] = self._decoded(micro, raw)
            elif (image := first_image(self._txn, micro)) is not None:
                lone.setdefault(image, []).append(place)
        for image, raw in self._txn.many(VECTORS, list(lone)):
            found[lone.pop(image)] = unit_rows(decode_vector(raw)[None])[0]
        if lone:
            raise StateError(f"the store lacks the vector of image {min(lone)}: restore a backup")
        return found

    def _decoded(self, micro: int, raw: bytes) -> NDArray[np.float32]:
        row = np.frombuffer(raw, "<f4")
        if len(row) != self._dim:
            raise StateError(f"the sum of micro-cluster {micro} is not of {self._dim} numbers: restore a backup")
        return row


def first_image(txn: Transaction, micro: int) -> int | None:
    """The first image of a micro-cluster, None for an empty one."""
    return next((decode_key(raw) for raw in txn.keys(MICRO_SAMPLES, micro)), None)


def put_sum(txn: Transaction, record: MicroRecord, total: bytes) -> None:
    """Keeps the sum of a micro-cluster that has changed, unless it is a single vector or nothing."""
    if record.count > 1:
        txn.put(MICRO_SUMS, record.id, total)
    elif record.revision:  # it may have had more
        txn.delete(MICRO_SUMS, record.id)
