"""Shapelode's own clusterer: near-duplicates join online, linkage of neighbourhoods regroups them now and then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.base.typing import FeatureName

from index.clustering.arrivals import Arrivals
from index.clustering.base import FIRST_CLUSTER, Assignments, FloatArray, IntArray, LineageEvent, Source, unit_rows
from index.clustering.joining import CellJoiner, FlatJoiner, Joiner, map_vectors
from index.clustering.profiles import CellProfiles
from index.clustering.repairing import MIN_FIT, Repairing
from index.clustering.rolling import Rolling
from index.clustering.snapshot import Snapshot, unpack
from index.records import OUTLIER, MicroRecord
from ops.errors import ConfigError, StateError

_CHUNK = 256  # vectors compared with each other at once; bounds memory
_UNSAVED = 0.05  # share of the rows that may be missing from their file: writing it costs as much as they do


class OnlineLinkage(Repairing):
    """Online average linkage of neighbourhoods, in a learnt or a whitened space.

    A vector joins the micro-cluster that holds nearly the same picture, or opens one, and is put into the
    cluster that it is most similar to on average, if that is more than chance allows. Every so often, and
    when asked, all micro-clusters are grouped anew by where walks between nearest neighbours lead; clusters keep their
    ids by overlap, and what gains little by moving stays. Since micro-clusters keep sums of unit vectors and a
    repair hardly depends on anything else, the order of arrival matters little.

    Beyond `whole` micro-clusters no insert may wait for all of them: space and cells are fixed until their number
    has doubled, vectors are compared with what is in the nearest cells, and a repair goes over regions of neighbouring
    cells, one slice each time a fixed number of vectors has come.

    Args:
        z: mean similarity to a cluster from which a vector joins it on arrival, in standard deviations above
            unrelated pairs; in a whitened space neighbours need it, too.
        same: similarity from which two vectors share a micro-cluster.
        link: mean similarity of neighbourhoods that holds a cluster together, in (0, 1]. Smaller gives fewer,
            wider clusters.
        reach: similarity that neighbours need in a learnt space.
        margin: similarity that a move between clusters has to gain.
        min_size: a group of fewer vectors is no cluster, its members are outliers.
        growth: a repair is due when the stream has grown by this share since the last one.
        min_inserts: inserts before the first repair, and the fewest between two that come due.
        whole: micro-clusters that a repair regroups at once at most: all of them up to there, beyond those of a region.
        sweep: beyond those, each region has had a repair when the stream has grown by this share.
        encoder: name and fingerprint of what made the descriptors; where a metric was learnt for it, similarities are
            measured with that, else after whitening what has come so far.

    Examples:
        >>> import numpy as np
        >>> from index.clustering import make_clusterer
        >>> centres = np.eye(4, 16)
        >>> noise = np.random.default_rng(0).normal(0, 0.05, (80, 16))
        >>> clusterer = make_clusterer("linkage")
        >>> _ = clusterer.learn_many(np.repeat(centres, 20, axis=0) + noise)
        >>> _ = clusterer.repair()
        >>> clusterer.sizes()
        {1: 20, 2: 20, 3: 20, 4: 20}
    """

    def __init__(
        self,
        z: float = 1.6,
        same: float = 0.92,
        link: float = 0.2,
        reach: float = 0.25,
        margin: float = 0.05,
        min_size: int = 3,
        growth: float = 0.1,
        min_inserts: int = 32,
        whole: int = 4000,
        sweep: float = 0.25,
        encoder: tuple[str, str] | None = None,
    ) -> None:
        if not 0 < same <= 1 or not 0 < link <= 1 or margin < 0 or min(growth, sweep) <= 0:
            raise ConfigError("linkage: needs 0 < same <= 1, 0 < link <= 1, margin >= 0, growth > 0, sweep > 0")
        if min(min_size, min_inserts) < 1 or whole < MIN_FIT:
            raise ConfigError(f"linkage: needs min_size >= 1, min_inserts >= 1, whole >= {MIN_FIT}")
        self.z = z
        self.same = same
        self.link = link
        self.reach = reach
        self.margin = margin
        self.encoder = encoder
        self.min_size = min_size
        self.growth = growth
        self.min_inserts = min_inserts
        self.whole = whole
        self.sweep = sweep
        self._begin(growth, min_inserts)
        self._snapshot: Snapshot | CellProfiles | None = None
        self._told: Snapshot | CellProfiles | None = None  # what `changed_scalars` has given already
        self._rolling: Rolling | None = None
        self._joiner: Joiner = FlatJoiner(self._table, None, same)
        self._settling = False

    def learn_one(self, x: dict[FeatureName, Any]) -> None:
        """Learns one dictionary of features; features may come and go."""
        row = self._columns.learn(x)
        if row.shape[1] > self._table.dim > 0:
            self._table.widen(row.shape[1])
            self._rebuild_joiner()
        if row.shape[1]:
            self.learn_many(row)

    def learn_many(self, vectors: FloatArray) -> Assignments:
        """Learns ``(N, D)`` vectors in order; makes the repairs that come due on the way.

        Raises:
            StateError: D differs from the vectors learnt before.
        """
        unit = unit_rows(vectors)
        if not len(unit):
            return Assignments(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        self._table.set_dim(unit.shape[1])
        micros: list[int] = []
        strengths: list[FloatArray] = []
        events: list[LineageEvent] = []
        while len(micros) < len(unit):
            chunk = unit[len(micros) : len(micros) + min(self._clock.until_due(), _CHUNK)]
            learnt, strength = self._learn_chunk(chunk)
            micros += learnt
            strengths.append(strength)
            if not self._clock.until_due():
                events += self._repair_due()
        ids = np.array(micros, np.int64)
        clusters = self._table.labels_of(ids)
        strength = np.where(clusters == OUTLIER, 0, np.concatenate(strengths)).astype(np.float32)
        return Assignments(ids, clusters, strength, events)

    def predict_many(self, vectors: FloatArray) -> Assignments:
        """Says where ``(N, D)`` vectors would belong, learning nothing."""
        unit = unit_rows(vectors)
        if not len(self._table):
            none = np.full(len(unit), -1, np.int64)
            return Assignments(none, none.copy(), np.zeros(len(unit), np.float32))
        mapped = map_vectors(self._space, unit)
        proposals = self._joiner.propose(mapped)
        micros = [self._joiner.decide(v, found.tolist()) for v, found in zip(unit, proposals, strict=True)]
        clusters, strength = self._classify(mapped)
        ids = np.array(micros, np.int64)
        joined = ids >= 0
        clusters[joined] = self._table.labels_of(ids[joined])
        return Assignments(ids, clusters, np.where(clusters == OUTLIER, 0, strength).astype(np.float32))

    def hand_back(self, remaining: Mapping[int, FloatArray], strangers: Sequence[tuple[int, FloatArray]]) -> list[int]:
        """Opens a barred micro-cluster for each vector that leaves, or bars its own if none stays there."""
        table = self._table
        homes = {micro: int(table.clusters[micro]) for micro in remaining}
        moved: list[int] = []
        for micro, vectors in remaining.items():
            if len(vectors):
                table.refill(micro, unit_rows(vectors))
                self._joiner.refresh([micro])
        for micro, vector in strangers:
            new = table.open(unit_rows(vector[None])[0], OUTLIER) if len(remaining[micro]) else micro
            self._joiner.refresh([new])
            table.bar(new, {homes[micro], *table.barred.get(micro, ())} - {OUTLIER})
            table.move(new, self._elsewhere(new))
            moved.append(new)
        return moved

    def forget(self, remaining: Mapping[int, FloatArray]) -> list[LineageEvent]:
        """Takes vectors out of micro-clusters; a cluster without any is deleted and draws no new ones."""
        before = set(self.sizes())
        for micro, vectors in remaining.items():
            left = int(self._table.counts[micro]) - len(vectors)
            self._table.refill(micro, unit_rows(vectors))
            self._clock.forget(left)
            self._joiner.refresh([micro])
        ended = sorted(before - set(self.sizes()))
        if isinstance(self._snapshot, Snapshot) and ended:
            self._snapshot = self._snapshot.without(ended)
        elif isinstance(self._snapshot, CellProfiles):
            self._snapshot.drop(ended)
        return [LineageEvent("deleted", cluster) for cluster in ended]

    def size_bytes(self) -> int:
        """Memory of the micro-clusters, as sums and as rows of the space."""
        return super().size_bytes() + self._joiner.size_bytes()

    def scalars(self) -> dict[str, Any]:
        """Counters and the snapshot of the last repair."""
        if self._rolling is not None:
            return self._counters() | self._rolling.pack()
        return self._counters() | (self._snapshot.pack() if isinstance(self._snapshot, Snapshot) else {})

    def changed_scalars(self) -> dict[str, Any]:
        """Counters, and of the snapshot what has changed since the last call."""
        told, self._told = self._told, self._snapshot
        if self._rolling is not None:
            gone: dict[str, Any] = {"profile_ids": None, "profiles": None} if told is not self._snapshot else {}
            return self._counters() | gone | self._rolling.changes()
        fresh = isinstance(self._snapshot, Snapshot) and told is not self._snapshot
        return self.scalars() if fresh else self._counters()

    def _counters(self) -> dict[str, Any]:
        return {
            "next_cluster": self._next_cluster,
            "learnt": self._clock.learnt,
            "since_repair": self._clock.since_repair,
        }

    def restore(
        self, micros: Iterable[MicroRecord], scalars: Mapping[str, Any], source: Source, file: Path | None = None
    ) -> None:
        """Takes over the latest record of each micro-cluster, in order of id, and the latest scalars.

        Sums are read into memory until repairs go over regions, and then where they are needed.

        Raises:
            StateError: records are missing or do not fit each other.
        """
        self._table.load(micros, source)
        self._next_cluster = int(scalars.get("next_cluster", FIRST_CLUSTER))
        self._clock.learnt = int(scalars.get("learnt", 0))
        self._clock.since_repair = int(scalars.get("since_repair", 0))
        self._rolling = Rolling.unpack(scalars) if "cell_first" in scalars else None
        if self._rolling is not None:
            self._snapshot, self._clock.pace = self._rolling.profiles, self._rolling.pace
        else:
            self._snapshot = unpack(scalars) if "rank" in scalars else None
            self._table.hold()
        self._told = self._snapshot
        if self._clock.learnt != int(self._table.counts.sum()):
            raise StateError(f"micro-clusters do not add up to {self._clock.learnt} images: restore a backup")
        self._rebuild_joiner(file)

    def save(self, file: Path, *, due: bool = False) -> None:
        """Writes the rows of micro-clusters, once they are too many to be mapped anew in no time.

        Raises:
            OSError: the file can't be written.
        """
        if self._rolling is None or not isinstance(self._joiner, CellJoiner):
            return
        missing = len(self._table) - self._joiner.saved
        if missing > (_UNSAVED * len(self._table) if due else 0):
            self._joiner.save(file, self._rolling.digest)

    def _classify(self, mapped: NDArray[np.float64]) -> tuple[IntArray, FloatArray]:
        if self._snapshot is None:
            return np.full(len(mapped), OUTLIER, np.int64), np.zeros(len(mapped), np.float32)
        return self._snapshot.classify(mapped, self._snapshot.space.threshold(self.z))

    def _learn_chunk(self, unit: FloatArray) -> tuple[list[int], FloatArray]:
        mapped = map_vectors(self._space, unit)
        clusters, strength = self._classify(mapped)
        arrivals = Arrivals(self._joiner, mapped)
        micros: list[int] = []
        opened: dict[int, int] = {}  # and not joined since, with the place of their vector
        for place, (vector, cluster) in enumerate(zip(unit, clusters.tolist(), strict=True)):
            micro = self._joiner.decide(vector, arrivals.candidates(place))
            if micro < 0:
                micro = self._table.open(vector, cluster)
                arrivals.opened(place, micro)
                opened[micro] = place
            else:
                self._table.join(micro, vector)
                arrivals.joined(micro)
                opened.pop(micro, None)
            micros.append(micro)
        self._joiner.opened(list(opened), mapped, list(opened.values()))
        self._joiner.refresh(set(micros) - opened.keys())
        self._clock.tick(len(unit))
        return micros, strength
