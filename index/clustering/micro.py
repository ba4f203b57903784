"""The table of micro-clusters: sums of unit vectors, lossless for average linkage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray, MicroChanges, Source
from index.clustering.growing import grown
from index.clustering.sums import HeldSums, StoredSums, Sums
from index.records import OUTLIER, MicroRecord
from ops.errors import NotFoundError, StateError

_BLOCK = 8192  # sums read, and records taken over, at once; bounds memory


class MicroTable:
    """Micro-clusters by id, which is also their row."""

    def __init__(self) -> None:
        self._size = 0
        self._sums: Sums = HeldSums()
        self._source: Source | None = None
        self._counts, self._clusters = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._revisions = np.zeros(0, np.uint32)
        self._dirty: set[int] = set()
        self._summed: set[int] = set()  # of those, where the sum has changed
        self._barred: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def dim(self) -> int:
        """Length of the vectors, 0 before the first."""
        return self._sums.dim

    @property
    def counts(self) -> IntArray:
        """``(M,)`` vectors in each."""
        return self._counts[: self._size]

    @property
    def clusters(self) -> IntArray:
        """``(M,)`` cluster of each, `OUTLIER` for none."""
        return self._clusters[: self._size]

    def sums(self, micros: IntArray) -> FloatArray:
        """Sums ``(N, D)`` of the unit vectors of micro-clusters."""
        return self._sums.of(micros)

    def sum_of(self, micro: int) -> FloatArray:
        """Sum ``(D,)`` of the unit vectors of one."""
        row: FloatArray = self._sums.of(np.array([micro]))[0]
        return row

    @property
    def revisions(self) -> NDArray[np.uint32]:
        """``(M,)`` how often the sum of each has changed."""
        return self._revisions[: self._size]

    def blocks(self, micros: IntArray | None = None) -> Iterator[tuple[IntArray, FloatArray]]:
        """Ids in order, by default all, and their sums, in blocks that bound memory."""
        chosen = np.arange(self._size) if micros is None else micros
        for begin in range(0, len(chosen), _BLOCK):
            some = chosen[begin : begin + _BLOCK]
            yield some, self._sums.of(some)

    def open(self, vector: FloatArray, cluster: int) -> int:
        """Opens a micro-cluster with one unit vector; returns its id."""
        micro = self._size
        self._reserve(micro + 1)
        self._size += 1
        self._sums.put(micro, vector)
        self._counts[micro] = 1
        self._clusters[micro] = cluster
        self._dirty.add(micro)
        self._summed.add(micro)
        return micro

    def join(self, micro: int, vector: FloatArray) -> None:
        """Adds a unit vector to a micro-cluster."""
        self._set_sum(micro, self.sum_of(micro) + vector)
        self._counts[micro] += 1

    def refill(self, micro: int, vectors: FloatArray) -> None:
        """Makes a micro-cluster hold these unit vectors alone; one that is left empty is in no cluster."""
        total = np.zeros(self.dim, np.float32)
        for vector in vectors:  # one by one, as they came: sums of floats depend on the order
            total += vector
        self._set_sum(micro, total)
        self._counts[micro] = len(vectors)
        if not len(vectors):
            self._clusters[micro] = OUTLIER

    def _set_sum(self, micro: int, total: FloatArray) -> None:
        self._sums.put(micro, total)
        self._revisions[micro] += 1
        self._dirty.add(micro)
        self._summed.add(micro)

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
        """Memory of what is held, with what it has in reserve."""
        arrays = (self._counts, self._clusters, self._revisions)
        return self._sums.size_bytes() + sum(array.nbytes for array in arrays)

    def widen(self, dim: int) -> None:
        """Appends columns of zeros up to `dim`."""
        if dim > self.dim:
            self.hold()
            assert isinstance(self._sums, HeldSums)
            self._sums.widen(dim)

    def set_dim(self, dim: int) -> None:
        """Takes the length of the first vectors.

        Raises:
            StateError: there are vectors of another length.
        """
        if self.dim not in (0, dim):
            raise StateError(f"the clusterer holds vectors of {self.dim} numbers, not {dim}")
        self.widen(dim)

    def take_dirty(self) -> MicroChanges:
        """What changed since the last call, in order of id."""
        records = [self._record(micro) for micro in sorted(self._dirty)]
        summed = np.array(sorted(self._summed), np.int64)
        rows = np.asarray(self._sums.of(summed), "<f4") if len(summed) else ()
        self._dirty, self._summed = set(), set()
        self._sums.written()
        return MicroChanges(records, {m: row.tobytes() for m, row in zip(summed.tolist(), rows, strict=True)})

    def load(self, records: Iterable[MicroRecord], source: Source) -> None:
        """Replaces the table by records in order of id, whose sums are read from a source; there may be many.

        Raises:
            StateError: ids have gaps or are out of order, or the source's sums do not suit them.
        """
        self._size, self._source = 0, source
        self._counts, self._clusters = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._revisions = np.zeros(0, np.uint32)
        self._dirty, self._summed, self._barred = set(), set(), {}
        left = iter(records)
        while block := list(islice(left, _BLOCK)):
            self._load(block)
        self._sums = HeldSums()
        if self._size:
            self._sums = StoredSums(source(np.zeros(1, np.int64)).shape[1], source)

    def _load(self, records: list[MicroRecord]) -> None:
        begin, end = self._size, self._size + len(records)
        if [record.id for record in records] != list(range(begin, end)):
            raise StateError("the store's micro-clusters are not numbered without gaps: restore a backup")
        self._reserve(end)
        self._size = end
        self._counts[begin:end] = [record.count for record in records]
        self._clusters[begin:end] = [record.cluster for record in records]
        self._revisions[begin:end] = [record.revision for record in records]
        self._barred |= {record.id: frozenset(record.barred) for record in records if record.barred}

    def hold(self) -> None:
        """Keeps all sums in memory from now on."""
        if isinstance(self._sums, HeldSums):
            return
        rows = np.zeros((self._size, self.dim), np.float32)
        for micros, some in self.blocks():
            rows[micros] = some
        self._sums = HeldSums(rows)

    def leave(self) -> None:
        """Keeps only sums in memory that are not written yet, if it is known where the others are."""
        if isinstance(self._sums, HeldSums) and self._source is not None:
            fresh = {micro: self.sum_of(micro) for micro in self._summed}
            self._sums = StoredSums(self.dim, self._source, fresh)

    def _record(self, micro: int) -> MicroRecord:
        barred = tuple(sorted(self._barred.get(micro, ())))
        revision = int(self._revisions[micro])
        return MicroRecord(micro, int(self._counts[micro]), int(self._clusters[micro]), barred, revision)

    def _reserve(self, size: int) -> None:
        self._counts, self._clusters = grown(self._counts, size), grown(self._clusters, size)
        self._revisions = grown(self._revisions, size)
