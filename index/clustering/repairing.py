"""Repairs of linkage: all micro-clusters at once while they are few, region by region beyond."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray, LineageEvent, unit_rows
from index.clustering.cells import Cells, learn_cells
from index.clustering.joining import CellJoiner, FlatJoiner, Joiner, map_rows, map_vectors
from index.clustering.lineage import carry_ids, dissolved
from index.clustering.metric import load_metric
from index.clustering.profiles import CellProfiles
from index.clustering.regroup import regroup
from index.clustering.rolling import OUTGROWN, Rolling, begin, cells_for, sample_of
from index.clustering.snapshot import Snapshot, make_snapshot
from index.clustering.space import Space, fit_space
from index.clustering.tabled import TabledClusterer
from index.heap import release_free_memory
from index.records import OUTLIER

_MOST_RETURNS = 3
"""Clusters that a micro-cluster is barred from, after which it stays an outlier."""
MIN_FIT = 16
"""Micro-clusters that a repair needs; the chance level of fewer means nothing."""
_REGION = 0.8
"""Micro-clusters of a region, as a share of those that are regrouped at once: it grows until it has its turn."""


class Repairing(TabledClusterer, abc.ABC):
    """What `OnlineLinkage` does between inserts; its parameters are explained there."""

    z: float
    same: float
    link: float
    reach: float
    margin: float
    min_size: int
    min_inserts: int
    whole: int
    sweep: float
    encoder: tuple[str, str] | None
    _snapshot: Snapshot | CellProfiles | None
    _rolling: Rolling | None
    _joiner: Joiner
    _settling: bool

    def repair(self) -> list[LineageEvent]:
        """Fits the space anew, regroups all micro-clusters, and carries the ids over; many of them region by region."""
        if not self._rolls():
            return self._repair_whole()
        events = self._repair_due()
        while self._rolling is not None and not self._rolling.swept:
            events += self._repair_region(self._rolling)
        return events

    def settle(self) -> list[LineageEvent]:
        """What a stream ends with: a repair that depends as little as can be on the order it came in."""
        self._settling = True
        try:
            return super().settle()
        finally:
            self._settling = False

    def _rolls(self) -> bool:
        return self._rolling is not None or len(self._table) > self.whole

    def _repair_due(self) -> list[LineageEvent]:
        """As much of a repair as is done between two inserts."""
        if not self._rolls():
            return self._repair_whole()
        if self._rolling is None or len(self._table) >= OUTGROWN * self._rolling.fitted:
            self._rolling = self._fitted() or self._rolling
        return self._repair_whole() if self._rolling is None else self._repair_region(self._rolling)

    def _fitted(self) -> Rolling | None:
        """Space, cells and profiles anew, the clusters as they are; None where the vectors do not vary.

        Where a space fitted anew would tell the same, it stays, and rows and profiles only change cells.
        """
        table, before = self._table, self._rolling
        live = np.flatnonzero(table.counts > 0)
        sample = sample_of(live, len(table))
        some = unit_rows(table.sums(sample))
        space = fit_space(some, table.counts[sample], self._metric())
        if space is None:
            return None
        if before is not None and before.profiles.space.agrees(space, some):
            rolling = self._in_cells(before, learn_cells(map_rows(before.profiles.space, some), cells_for(len(table))))
        else:
            cells = learn_cells(map_rows(space, some), cells_for(len(table)))
            self._joiner = joiner = CellJoiner(table, space, self.same, cells)
            rolling = begin(cells, joiner, table, space, before)
        self._snapshot = rolling.profiles
        table.leave()
        release_free_memory()
        return rolling

    def _in_cells(self, before: Rolling, cells: Cells) -> Rolling:
        """Rows and profiles as they are, by other cells."""
        assert isinstance(self._joiner, CellJoiner)
        self._joiner = CellJoiner(self._table, before.profiles.space, self.same, cells, before=self._joiner)
        return before.moved(cells, len(self._table))

    def _repair_region(self, rolling: Rolling) -> list[LineageEvent]:
        """Regroups the clusters and outliers of the next region; ids and all other clusters stay."""
        self._clock.repaired()
        table, joiner = self._table, self._joiner
        assert isinstance(joiner, CellJoiner)
        if rolling.swept:
            rolling.begin_sweep(table, joiner, int(_REGION * self.whole))
            share = self.sweep * self._clock.learnt / rolling.regions
            rolling.pace = self._clock.pace = max(self.min_inserts, int(share))
        members = rolling.take(table, joiner)
        before = set(table.clusters[members].tolist()) - {OUTLIER}
        barred = [micro for micro in members.tolist() if micro in table.barred]
        live = members[(table.counts[members] > 0) & ~np.isin(members, barred)]
        counts, space = table.counts[live], rolling.profiles.space
        rows = joiner.rows(live).astype(np.float64)
        groups = self._regroup(live, rows, space)
        labels, events, self._next_cluster = carry_ids(
            table.clusters[live], groups, counts, self.min_size, self._next_cluster
        )
        rolling.replace(before, labels, rows, counts)
        self._bar_heirs(events)
        table.relabel_some(live, labels)
        for micro in barred:
            table.move(micro, self._elsewhere(micro))
        after = set(table.clusters[members[table.counts[members] > 0]].tolist())
        return [*events, *dissolved(before - after, events)]

    def _repair_whole(self) -> list[LineageEvent]:
        self._clock.repaired()
        table = self._table
        before = set(self.sizes())
        # Those whose vectors were all forgotten take no part, nor do those that may not go where they would.
        free = np.ones(len(table), bool)
        free[list(table.barred)] = False
        live = np.flatnonzero((table.counts > 0) & free)
        totals, counts = table.sums(live), table.counts[live]
        space = fit_space(unit_rows(totals), counts, self._metric()) if len(live) >= MIN_FIT else None
        if space is None:
            return []
        rows = map_vectors(space, totals)
        groups = self._regroup(live, rows, space)
        labels, events, self._next_cluster = carry_ids(
            table.clusters[live], groups, counts, self.min_size, self._next_cluster
        )
        clusters = np.full(len(table), OUTLIER, np.int64)
        clusters[live] = labels
        self._snapshot = make_snapshot(space, rows, counts, labels)
        self._bar_heirs(events)
        for micro in sorted(table.barred):
            clusters[micro] = self._elsewhere(micro)
        table.relabel(clusters)
        self._rebuild_joiner()
        release_free_memory()  # of pairs and neighbours, which are more than what is kept
        return [*events, *dissolved(before - set(self.sizes()), events)]

    def _regroup(self, live: IntArray, rows: NDArray[np.float64], space: Space) -> IntArray:
        counts, old = self._table.counts[live], self._table.clusters[live]
        floor = space.threshold(self.z) if self._metric() is None else self.reach
        margin = 0.0 if self._settling else self.margin
        return regroup(rows, counts, old, floor, self.link, margin, self.min_size)

    def _metric(self) -> FloatArray | None:
        metric = load_metric(*self.encoder) if self.encoder else None
        return metric.projection if metric and len(metric.projection) == self._table.dim else None

    def _bar_heirs(self, events: Sequence[LineageEvent]) -> None:
        """What may not be in a cluster may not be in the one that takes it in either."""
        for event in events:
            for micro, barred in list(self._table.barred.items()):
                if event.kind == "merged" and barred.intersection(event.others):
                    self._table.bar(micro, (event.cluster,))

    def _elsewhere(self, micro: int) -> int:
        """The cluster that suits a barred micro-cluster best of those it may be in, `OUTLIER` for none."""
        barred = self._table.barred[micro]
        if self._snapshot is None or len(barred) >= _MOST_RETURNS or not self._table.counts[micro]:
            return OUTLIER
        row = map_vectors(self._space, self._table.sum_of(micro)[None])
        allowed = self._snapshot.without(sorted(barred))
        return int(allowed.classify(row, self._snapshot.space.threshold(self.z))[0][0])

    @property
    def _space(self) -> Space | None:
        return self._snapshot.space if self._snapshot else None

    def _rebuild_joiner(self, file: Path | None = None) -> None:
        if self._rolling is not None:
            profiles = self._rolling.profiles
            known = None if file is None else (file, self._rolling.digest)
            self._joiner = CellJoiner(self._table, profiles.space, self.same, profiles.cells, known)
        else:
            self._joiner = FlatJoiner(self._table, self._space, self.same)
