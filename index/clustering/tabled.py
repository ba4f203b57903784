"""What the clusterers share that keep their micro-clusters in a table."""

from __future__ import annotations

import abc
from typing import Any

from river.base.typing import FeatureName

from index.clustering.base import FIRST_CLUSTER, FeatureColumns, IntArray, LineageEvent, MicroChanges, OnlineClusterer
from index.clustering.clock import RepairClock
from index.clustering.micro import MicroTable
from index.records import OUTLIER


class TabledClusterer(OnlineClusterer, abc.ABC):
    """An online clusterer with a table of micro-clusters and a clock for repairs."""

    def _begin(self, growth: float, min_inserts: int) -> None:
        self._clock = RepairClock(growth, min_inserts)
        self._columns = FeatureColumns()
        self._table = MicroTable()
        self._next_cluster = FIRST_CLUSTER

    def predict_one(self, x: dict[FeatureName, Any]) -> int:
        """Cluster of one dictionary of features, `OUTLIER` for none."""
        row = self._columns.vector(x)
        return int(self.predict_many(row).clusters[0]) if len(self._table) else OUTLIER

    def settle(self) -> list[LineageEvent]:
        """A repair, unless nothing has been learnt since the last one."""
        return self.repair() if self._clock.since_repair else []

    def labels_of(self, micros: IntArray) -> IntArray:
        """Current cluster ids of micro-clusters.

        Raises:
            NotFoundError: one of the ids was never given out.
        """
        return self._table.labels_of(micros)

    def sizes(self) -> dict[int, int]:
        """Vectors in each cluster, outliers left out."""
        return self._table.sizes()

    def size_bytes(self) -> int:
        """Memory of the table of micro-clusters."""
        return self._table.size_bytes()

    def changed(self) -> MicroChanges:
        """Micro-clusters that changed since the last call."""
        return self._table.take_dirty()
