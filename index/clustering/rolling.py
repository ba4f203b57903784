"""Repairs in slices: what a clusterer keeps once its micro-clusters are too many to be regrouped at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.cells import Cells, regions_of, unpack_cells
from index.clustering.growing import NONE
from index.clustering.joining import CellJoiner
from index.clustering.micro import MicroTable
from index.clustering.profiles import CellProfiles
from index.clustering.rowfile import space_digest
from index.clustering.snapshot import pack_space, unpack_space
from index.clustering.space import Space
from index.records import OUTLIER
from ops.errors import StateError

# Times the micro-clusters to the power of two thirds: comparing with cells costs their number's square root, comparing
# with what is in those looked at the micro-clusters over their number.
_CELLS, _MOST_CELLS = 1.2, 25_000
OUTGROWN = 2
"""Times as many micro-clusters as the space and its cells were learnt of, and they are learnt anew."""
SAMPLE = 20_000
_ROWS_OF_A_CELL = 4  # in the sample
_MEANS = 2048  # clusters whose rows are looked at together


class Rolling:
    """The space, its cells, what each cluster looks like, and a sweep over regions of neighbouring cells.

    Each slice of a repair regroups the clusters and outliers of one region; when all regions have had their turn, a
    new sweep begins, with other borders.

    Attributes:
        profiles: what vectors are compared with.
        fitted: micro-clusters that space and cells were learnt of.
        pace: inserts between two slices.
    """

    def __init__(self, profiles: CellProfiles, fitted: int) -> None:
        self.profiles, self.fitted = profiles, fitted
        self.pace = 1
        self._sweep = 0
        self._next = 0
        self._regions: IntArray = np.zeros(len(profiles.cells), np.int64)
        self._told: dict[str, Any] = {}
        self._digest = ""

    def moved(self, cells: Cells, fitted: int) -> Rolling:
        """The same space and profiles by other cells, learnt of ``fitted`` micro-clusters."""
        return Rolling(self.profiles.moved(cells), fitted)

    @property
    def swept(self) -> bool:
        """Whether every region of the sweep has had its turn."""
        return self._next >= self._regions.max() + 1 or not self._sweep

    @property
    def regions(self) -> int:
        """Regions of the sweep."""
        return int(self._regions.max()) + 1

    def begin_sweep(self, table: MicroTable, joiner: CellJoiner, limit: int) -> None:
        """Draws regions of ``limit`` micro-clusters at most, but for single cells that hold more."""
        self._sweep, self._next = self._sweep + 1, 0
        home = self.profiles.cell_of(table.clusters)
        loose = np.flatnonzero(home == NONE)
        home[loose] = joiner.cell_of(loose)
        weights = np.bincount(home, minlength=len(self.profiles.cells)).astype(np.int64)
        self._regions = regions_of(self.profiles.cells.leaves, weights, limit, self._sweep)

    def take(self, table: MicroTable, joiner: CellJoiner) -> IntArray:
        """Micro-clusters of the next region: all of those of its clusters, and the outliers in its cells."""
        cells = np.flatnonzero(self._regions == self._next)
        self._next += 1
        here = np.zeros(int(table.clusters.max(initial=0)) + 2, bool)  # the last stands for outliers
        here[self.profiles.inside(cells)] = True
        near = joiner.inside(cells)
        homeless = self.profiles.cell_of(table.clusters[near]) == NONE
        return np.union1d(np.flatnonzero(here[table.clusters]), near[homeless])

    def replace(self, before: set[int], labels: IntArray, rows: NDArray[np.float64], counts: IntArray) -> None:
        """Takes over what a slice made of the clusters in ``before``.

        Args:
            before: clusters that were in its region.
            labels: ``(M,)`` cluster of each micro-cluster now.
            rows: ``(M, r)`` micro-clusters in the space.
            counts: ``(M,)`` vectors in each.
        """
        found = mean_rows(labels, rows.__getitem__, counts)
        self.profiles.drop(sorted(before - found.keys()))
        self.profiles.put(found)

    @property
    def digest(self) -> str:
        """Tells space and cells from others."""
        if not self._digest:
            self._digest = space_digest(self._fixed())
        return self._digest

    def pack(self) -> dict[str, Any]:
        """Everything, by name."""
        return {**self._fixed(), **self._moving(), **self.profiles.pack()}

    def changes(self) -> dict[str, Any]:
        """What changed since the last call, None for what is gone."""
        moving = self._moving()
        fresh = {name: value for name, value in moving.items() if self._told.get(name) != value}
        if not self._told:
            fresh |= self._fixed()
        self._told = moving
        return {**fresh, **self.profiles.changes()}

    def _fixed(self) -> dict[str, Any]:
        # Megabytes, once there are many cells: not to be packed with every batch.
        return {**pack_space(self.profiles.space), **self.profiles.cells.pack(), "fitted": self.fitted}

    def _moving(self) -> dict[str, Any]:
        return {
            "pace": self.pace,
            "sweep": self._sweep,
            "next_region": self._next,
            "regions": np.asarray(self._regions, "<i4").tobytes(),
        }

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> Rolling:
        """What `pack` gave.

        Raises:
            StateError: a part is missing or of the wrong size.
        """
        space = unpack_space(packed)
        profiles = CellProfiles(space, unpack_cells(packed, space.projection.shape[1]))
        profiles.load(packed)
        try:
            found = cls(profiles, int(packed["fitted"]))
            found.pace, found._sweep = int(packed["pace"]), int(packed["sweep"])
            found._next = int(packed["next_region"])
            found._regions = np.frombuffer(packed["regions"], "<i4").astype(np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the store's clusterer state is damaged ({error}): restore a backup") from error
        if len(found._regions) != len(profiles.cells):
            raise StateError("the store's clusterer state is damaged (regions do not fit): restore a backup")
        found._told = found._moving()
        return found


def begin(cells: Cells, joiner: CellJoiner, table: MicroTable, space: Space, before: Rolling | None) -> Rolling:
    """Takes over the clusters as they are.

    Args:
        cells: learnt in the space.
        joiner: holds the micro-clusters in the space.
        table: the micro-clusters.
        space: fitted anew.
        before: whose place it takes.
    """
    found = Rolling(CellProfiles(space, cells), len(table))
    labels = table.clusters.copy()
    labels[list(table.barred)] = OUTLIER  # what may leave at any time shapes no cluster
    found.profiles.put(mean_rows(labels, joiner.rows, table.counts))
    if before is not None:
        found.profiles.succeed(before.profiles)
    return found


def cells_for(micros: int) -> int:
    """Cells for so many micro-clusters."""
    return min(_MOST_CELLS, int(_CELLS * micros ** (2 / 3)))


def sample_of(live: IntArray, micros: int) -> IntArray:
    """Of the live micro-clusters those that space and cells are learnt from, spread evenly."""
    wanted = min(len(live), max(SAMPLE, _ROWS_OF_A_CELL * cells_for(micros)))
    return live[np.linspace(0, len(live) - 1, wanted).astype(np.int64)]


def mean_rows(labels: IntArray, rows: Callable[[IntArray], NDArray[Any]], counts: IntArray) -> dict[int, FloatArray]:
    """Mean row of each cluster; outliers are left out.

    Args:
        labels: ``(M,)`` cluster of each micro-cluster.
        rows: gives the rows ``(N, r)`` of some of them, by place.
        counts: ``(M,)`` vectors that each stands for.
    """
    real = np.flatnonzero(labels != OUTLIER)
    order = real[np.argsort(labels[real], kind="stable")]
    ids, starts = np.unique(labels[order], return_index=True)
    found: dict[int, FloatArray] = {}
    for first in range(0, len(ids), _MEANS):  # not all rows at once: bounds memory
        bounds = [*starts[first : first + _MEANS + 1].tolist(), len(order)]
        some = rows(order[bounds[0] : bounds[min(_MEANS, len(bounds) - 1)]]).astype(np.float64)
        for cluster, (start, end) in zip(ids[first : first + _MEANS].tolist(), pairwise(bounds), strict=False):
            weight = counts[order[start:end]].astype(np.float64)
            mean = weight @ some[start - bounds[0] : end - bounds[0]] / weight.sum()
            found[cluster] = mean.astype(np.float32)
    return found
