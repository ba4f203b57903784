"""Repairs in slices: what a clusterer keeps once its micro-clusters are too many to be regrouped at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.cells import learn_cells, regions_of, unpack_cells
from index.clustering.growing import NONE
from index.clustering.joining import CellJoiner
from index.clustering.micro import MicroTable
from index.clustering.profiles import CellProfiles
from index.clustering.snapshot import pack_space, unpack_space
from index.clustering.space import Space
from index.records import OUTLIER
from ops.errors import StateError

_CELLS = 4.0  # times the square root of the micro-clusters: as many cells to compare with as rows in those looked at
OUTGROWN = 2
"""Times as many micro-clusters as the space and its cells were learnt of, and they are learnt anew."""
SAMPLE = 20_000
_ROWS_OF_A_CELL = 8  # in the sample


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

    @property
    def swept(self) -> bool:
        """Whether every region of the sweep has had its turn."""
        return self._next >= self._regions.max() + 1 or not self._sweep

    @property
    def regions(self) -> int:
        """Regions of the sweep."""
        return int(self._regions.max()) + 1

    def begin_sweep(self, joiner: CellJoiner, limit: int) -> None:
        """Draws regions of about ``limit`` micro-clusters."""
        self._sweep, self._next = self._sweep + 1, 0
        self._regions = regions_of(self.profiles.cells.leaves, joiner.sizes, limit, self._sweep)

    def take(self, table: MicroTable, joiner: CellJoiner) -> IntArray:
        """Micro-clusters of the next region: all of those of its clusters, and the outliers in its cells."""
        cells = joiner.cell_of(np.arange(len(table)))
        home = self.profiles.cell_of(table.clusters)
        found = np.flatnonzero(self._regions[np.where(home == NONE, cells, home)] == self._next)
        self._next += 1
        return found

    def replace(self, before: set[int], labels: IntArray, rows: NDArray[np.float64], counts: IntArray) -> None:
        """Takes over what a slice made of the clusters in ``before``.

        Args:
            before: clusters that were in its region.
            labels: ``(M,)`` cluster of each micro-cluster now.
            rows: ``(M, r)`` micro-clusters in the space.
            counts: ``(M,)`` vectors in each.
        """
        found = mean_rows(labels, rows, counts)
        self.profiles.drop(sorted(before - found.keys()))
        self.profiles.put(found)

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


def begin(space: Space, rows: FloatArray, sample: IntArray, table: MicroTable, before: Rolling | None) -> Rolling:
    """Learns the cells of a space, and takes over the clusters as they are.

    Args:
        space: fitted anew.
        rows: ``(M, r)`` micro-clusters in it.
        sample: rows that cells are learnt from.
        table: the micro-clusters.
        before: whose place it takes.
    """
    found = Rolling(CellProfiles(space, learn_cells(rows[sample], cells_for(len(table)))), len(table))
    labels = table.clusters.copy()
    labels[list(table.barred)] = OUTLIER  # what may leave at any time shapes no cluster
    found.profiles.put(mean_rows(labels, rows, table.counts))
    if before is not None:
        found.profiles.succeed(before.profiles)
    return found


def cells_for(micros: int) -> int:
    """Cells for so many micro-clusters."""
    return int(_CELLS * np.sqrt(micros))


def sample_of(live: IntArray, micros: int) -> IntArray:
    """Of the live micro-clusters those that space and cells are learnt from, spread evenly."""
    wanted = min(len(live), max(SAMPLE, _ROWS_OF_A_CELL * cells_for(micros)))
    return live[np.linspace(0, len(live) - 1, wanted).astype(np.int64)]


def mean_rows(labels: IntArray, rows: NDArray[Any], counts: IntArray) -> dict[int, FloatArray]:
    """Mean row of each cluster, of ``(M, r)`` rows that stand for so many vectors; outliers are left out."""
    real = np.flatnonzero(labels != OUTLIER)
    order = real[np.argsort(labels[real], kind="stable")]
    ids, starts = np.unique(labels[order], return_index=True)
    found: dict[int, FloatArray] = {}
    for cluster, some in zip(ids.tolist(), np.split(order, starts[1:]), strict=False):  # of none there is an empty part
        weight = counts[some].astype(np.float64)
        found[cluster] = (weight @ rows[some].astype(np.float64) / weight.sum()).astype(np.float32)
    return found
