"""river's DBSTREAM behind the interface of the other clusterers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from river import cluster
from river.base.typing import FeatureName

from index.clustering.base import (
    Assignments,
    FloatArray,
    IntArray,
    LineageEvent,
    Source,
    unit_rows,
)
from index.clustering.lineage import carry_ids
from index.clustering.tabled import TabledClusterer
from index.records import OUTLIER, MicroRecord
from ops.errors import StateError


class DBStream(TabledClusterer):
    """DBSTREAM (Hahsler & Bolanos, IEEE TKDE 28(6), 2016) as river has it.

    A vector belongs to the nearest of river's micro-clusters at its arrival. river numbers its clusters anew
    whenever asked; here a `repair` asks it for the cluster of each micro-cluster's mean and carries ids over
    by overlap; between repairs new micro-clusters are outliers. river compares every vector with every
    micro-cluster in Python dictionaries: this is for comparison, not for large streams.

    Args:
        clustering_threshold: radius of a micro-cluster, as Euclidean distance of unit vectors.
        fading_factor: how fast the past fades, per vector.
        cleanup_interval: vectors between two removals of weak micro-clusters.
        intersection_factor: shared density from which two micro-clusters are one cluster.
        minimum_weight: weight below which a micro-cluster is noise to river.
        min_size: a group of fewer vectors is no cluster, its members are outliers.
        growth: a repair is due when the stream has grown by this share since the last one.
        min_inserts: inserts before the first repair, and the fewest between two that come due.
    """

    restore_by_replay: ClassVar[bool] = True

    def __init__(
        self,
        clustering_threshold: float = 0.8,
        fading_factor: float = 0.0001,
        cleanup_interval: int = 1000,
        intersection_factor: float = 0.1,
        minimum_weight: float = 1.0,
        min_size: int = 3,
        growth: float = 0.5,
        min_inserts: int = 32,
    ) -> None:
        self.clustering_threshold = clustering_threshold
        self.fading_factor = fading_factor
        self.cleanup_interval = cleanup_interval
        self.intersection_factor = intersection_factor
        self.minimum_weight = minimum_weight
        self.min_size = min_size
        self.growth = growth
        self.min_inserts = min_inserts
        self._begin(growth, min_inserts)
        self._model: Any = cluster.DBSTREAM(
            clustering_threshold, fading_factor, cleanup_interval, intersection_factor, minimum_weight
        )
        self._owned: dict[int, tuple[Any, int]] = {}  # river's id -> (its micro-cluster, our id)

    def learn_one(self, x: dict[FeatureName, Any]) -> None:
        """Learns one dictionary of features; features may come and go."""
        row = self._columns.learn(x)
        self._table.widen(row.shape[1])
        for micro in self._model.micro_clusters.values():  # river loses features that a centre lacks
            micro.center = _features(_row(micro.center, row.shape[1]))
        if row.shape[1]:
            self.learn_many(row)

    def learn_many(self, vectors: FloatArray) -> Assignments:
        """Learns ``(N, D)`` vectors in order; makes the repairs that come due on the way.

        Raises:
            StateError: D differs from the vectors learnt before.
        """
        unit = unit_rows(vectors)
        if len(unit):
            self._table.set_dim(unit.shape[1])
        micros: list[int] = []
        events: list[LineageEvent] = []
        for vector in unit:
            micros.append(self._learn(vector))
            self._clock.tick(1)
            if not self._clock.until_due():
                events += self.repair()
        return self._assigned(np.array(micros, np.int64), events)

    def predict_many(self, vectors: FloatArray) -> Assignments:
        """Says where ``(N, D)`` vectors would belong, learning nothing."""
        return self._assigned(np.array([self._nearest(vector) for vector in unit_rows(vectors)], np.int64), [])

    def repair(self) -> list[LineageEvent]:
        """Asks river for its clusters and carries the ids over."""
        self._clock.repaired()
        table = self._table
        if not len(table):
            return []
        means = table.sums(np.arange(len(table))) / table.counts[:, None]
        groups = np.array([self._model.predict_one(_features(mean)) for mean in means], np.int64)
        clusters, events, self._next_cluster = carry_ids(
            table.clusters, groups, table.counts, self.min_size, self._next_cluster
        )
        table.relabel(clusters)
        return events

    def forget(self, remaining: Mapping[int, FloatArray]) -> list[LineageEvent]:
        """Refuses: the state is what all vectors together have made of it.

        Raises:
            StateError: always.
        """
        raise StateError("the clusterer dbstream can't forget images; put them in quarantine instead")

    def hand_back(self, remaining: Mapping[int, FloatArray], strangers: Sequence[tuple[int, FloatArray]]) -> list[int]:
        """Refuses, as `forget` does.

        Raises:
            StateError: always.
        """
        raise StateError("the clusterer dbstream can't forget images")

    def scalars(self) -> dict[str, Any]:
        """Empty: the state comes back by replay."""
        return {}

    def restore(
        self, micros: Iterable[MicroRecord], scalars: Mapping[str, Any], source: Source, file: Path | None = None
    ) -> None:
        """Not possible from records.

        Raises:
            StateError: always; see `restore_by_replay`.
        """
        raise StateError("dbstream is restored by learning the stored vectors again, not from records")

    def _learn(self, vector: FloatArray) -> int:
        self._model.learn_one(_features(vector))
        name, leader = self._leader(vector)
        micro = self._ours(name, leader)
        if micro >= 0:
            self._table.join(micro, vector)
            return micro
        micro = self._table.open(vector, OUTLIER)
        self._owned[name] = (leader, micro)
        return micro

    def _nearest(self, vector: FloatArray) -> int:
        return self._ours(*self._leader(vector)) if self._model.micro_clusters else -1

    def _ours(self, name: int, leader: Any) -> int:
        held, micro = self._owned.get(name, (None, -1))
        # river gives the number of a forgotten micro-cluster to a new one: the object tells them apart.
        return micro if held is leader else -1

    def _leader(self, vector: FloatArray) -> tuple[int, Any]:
        leaders = self._model.micro_clusters
        names = list(leaders)
        centres = np.array([_row(leaders[name].center, len(vector)) for name in names])
        nearest = names[int(np.linalg.norm(centres - vector, axis=1).argmin())]
        return nearest, leaders[nearest]

    def _assigned(self, micros: IntArray, events: list[LineageEvent]) -> Assignments:
        clusters = np.full(len(micros), OUTLIER, np.int64)
        clusters[micros >= 0] = self._table.labels_of(micros[micros >= 0])
        # river tells no degree of membership: all or nothing.
        return Assignments(micros, clusters, (clusters != OUTLIER).astype(np.float32), events)


def _features(vector: NDArray[Any]) -> dict[FeatureName, float]:
    return dict(enumerate(vector.tolist()))


def _row(center: Mapping[FeatureName, float], dim: int) -> NDArray[np.float64]:
    return np.array([center.get(i, 0.0) for i in range(dim)])
