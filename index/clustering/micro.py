"""The table of micro-clusters: sums of unit vectors, lossless for average linkage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from index.clustering.base import FloatArray, IntArray
from index.clustering.growing import grown
from index.records import OUTLIER, MicroRecord
from ops.errors import NotFoundError, StateError


class MicroTable:
    """Micro-clusters by id, which is also their row."""

    def __init__(self) -> None:
        self._size = 0
        self._totals = np.zeros((0, 0), np.float32)
        self._counts = np.zeros(0, np.int64)
        self._clusters = np.zeros(0, np.int64)
        self._dirty: set[int] = set()
        self._barred: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def dim(self) -> int:
        """Length of the vectors, 0 before the first."""
        return self._totals.shape[1]

    @property
    def totals(self) -> FloatArray:
        """``(M, D)`` sums of unit vectors."""
        return self._totals[: self._size]

    @property
    def counts(self) -> IntArray:
        """``(M,)`` vectors in each."""
        return self._counts[: self._size]

    @property
    def clusters(self) -> IntArray:
        """``(M,)`` cluster of each, `OUTLIER` for none."""
        return self._clusters[: self._size]

    def open(self, vector: FloatArray, cluster: int) -> int:
        """Opens a micro-cluster with one unit vector; returns its id."""
        micro = self._size
        self._reserve(micro + 1)
        self._size += 1
        self._totals[micro] = vector
        self._counts[micro] = 1
        self._clusters[micro] = cluster
        self._dirty.add(micro)
        return micro

    def join(self, micro: int, vector: FloatArray) -> None:
        """Adds a unit vector to a micro-cluster."""
        self._totals[micro] += vector
        self._counts[micro] += 1
        self._dirty.add(micro)

    def refill(self, micro: int, vectors: FloatArray) -> None:
        """Makes a micro-cluster hold these unit vectors alone; one that is left empty is in no cluster."""
        total = np.zeros(self.dim, np.float32)
        for vector in vectors:  # one by one, as they came: sums of floats depend on the order
            total += vector
        self._totals[micro] = total
        self._counts[micro] = len(vectors)
        if not len(vectors):
            self._clusters[micro] = OUTLIER
        self._dirty.add(micro)

    @property
    def barred(self) -> Mapping[int, frozenset[int]]:
        """Micro-cluster -> clusters it may not be in; those without such are left out."""
        return self._barred

    def bar(self, micro: int, clusters: Iterable[int]) -> None:
        """Adds to the clusters that a micro-cluster may not be in."""
        known = self._barred.get(micro, frozenset())
        if not known.issuperset(clusters):
            self._barred[micro] = known.union(clusters)
            self._dirty.add(micro)

    def move(self, micro: int, cluster: int) -> None:
        """Puts a micro-cluster into another cluster."""
        self._clusters[micro] = cluster
        self._dirty.add(micro)

    def relabel(self, clusters: IntArray) -> None:
        """Sets the cluster of every micro-cluster."""
        self._dirty.update(np.flatnonzero(self.clusters != clusters).tolist())
        self._clusters[: self._size] = clusters

    def relabel_some(self, micros: IntArray, clusters: IntArray) -> None:
        """Sets the cluster of some micro-clusters."""
        self._dirty.update(micros[self._clusters[micros] != clusters].tolist())
        self._clusters[micros] = clusters

    def labels_of(self, micros: IntArray) -> IntArray:
        """Clusters of micro-clusters.

        Raises:
            NotFoundError: an id was never given out.
        """
        wanted = np.asarray(micros, np.int64)
        if wanted.size and not 0 <= int(wanted.min()) <= int(wanted.max()) < self._size:
            raise NotFoundError(f"micro-clusters run from 0 to {self._size - 1}")
        return self.clusters[wanted]

    def sizes(self) -> dict[int, int]:
        """Vectors in each cluster, outliers left out."""
        ids, slot = np.unique(self.clusters, return_inverse=True)
        sums = np.bincount(slot, weights=self.counts, minlength=len(ids))
        return {int(i): int(n) for i, n in zip(ids, sums, strict=True) if i != OUTLIER}

    def size_bytes(self) -> int:
        """Memory of the arrays, with what they have in reserve."""
        return self._totals.nbytes + self._counts.nbytes + self._clusters.nbytes

    def widen(self, dim: int) -> None:
        """Appends columns of zeros up to `dim`."""
        if dim > self.dim:
            self._totals = np.pad(self._totals, ((0, 0), (0, dim - self.dim)))

    def set_dim(self, dim: int) -> None:
        """Takes the length of the first vectors.

        Raises:
            StateError: there are vectors of another length.
        """
        if self.dim not in (0, dim):
            raise StateError(f"the clusterer holds vectors of {self.dim} numbers, not {dim}")
        self.widen(dim)

    def take_dirty(self) -> list[MicroRecord]:
        """Records of what changed since the last call, in order of id."""
        ids, self._dirty = sorted(self._dirty), set()
        return [self._record(micro) for micro in ids]

    def load(self, records: Iterable[MicroRecord]) -> None:
        """Replaces the table by records in order of id, one at a time: there may be many.

        Raises:
            StateError: ids have gaps or are out of order, or vectors differ in length.
        """
        self._totals, self._size = np.zeros((0, 0), np.float32), 0
        self._counts, self._clusters = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._dirty, self._barred = set(), {}
        for record in records:
            row = np.frombuffer(record.total, "<f4")
            if record.id != self._size:
                raise StateError("the store's micro-clusters are not numbered without gaps: restore a backup")
            if not self._size:
                self._totals = np.zeros((0, len(row)), np.float32)
            if len(row) != self.dim:
                raise StateError("the store's micro-clusters differ in dimension: restore a backup")
            self._load(record, row)

    def _load(self, record: MicroRecord, row: FloatArray) -> None:
        self._reserve(record.id + 1)
        self._size = record.id + 1
        self._totals[record.id], self._counts[record.id] = row, record.count
        self._clusters[record.id] = record.cluster
        if record.barred:
            self._barred[record.id] = frozenset(record.barred)

    def _record(self, micro: int) -> MicroRecord:
        total = np.asarray(self._totals[micro], "<f4").tobytes()
        barred = tuple(sorted(self._barred.get(micro, ())))
        return MicroRecord(micro, int(self._counts[micro]), total, int(self._clusters[micro]), barred)

    def _reserve(self, size: int) -> None:
        self._totals, self._counts = grown(self._totals, size), grown(self._counts, size)
        self._clusters = grown(self._clusters, size)
