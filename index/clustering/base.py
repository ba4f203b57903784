"""What every online clusterer offers: river's interface, mini-batches, lineage and explicit persistence."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from river.base import Clusterer
from river.base.typing import FeatureName

from index.records import MicroRecord

FIRST_CLUSTER = 1

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Source = Callable[[IntArray], FloatArray]
"""Reads sums ``(M, D)`` of micro-clusters as they were written last."""


class LineageEvent(msgspec.Struct, frozen=True):
    """One change in the family tree of clusters.

    Attributes:
        kind: ``created`` (out of outliers), ``split`` (`cluster` left the one in `others`),
            ``merged`` (`cluster` took in those in `others`), ``dissolved`` (it became outliers), ``deleted`` (all
            of its vectors were forgotten).
        cluster: the cluster that the event is about.
        others: the clusters it came out of or took in; empty for the other kinds.
    """

    kind: Literal["created", "split", "merged", "dissolved", "deleted"]
    cluster: int
    others: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignments:
    """Where the vectors of one mini-batch went, one entry a vector.

    Attributes:
        micros: ``(N,)`` id of the micro-cluster of the vector; learning never changes it afterwards.
        clusters: ``(N,)`` cluster id at this moment, `OUTLIER` for none.
        strengths: ``(N,)`` membership in [0, 1]: 1 far from every other cluster, 0 for outliers.
        events: what repairs made on the way did to the clusters.
    """

    micros: IntArray
    clusters: IntArray
    strengths: FloatArray
    events: list[LineageEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MicroChanges:
    """What is to be written of micro-clusters.

    Attributes:
        records: those that changed, in order of id.
        sums: of those whose vectors changed, the sum of these, ``(D,)`` little-endian float32.
    """

    records: list[MicroRecord]
    sums: dict[int, bytes]


class FeatureColumns:
    """Turns river's feature dictionaries into vectors; a new feature opens a new column."""

    def __init__(self) -> None:
        self._column: dict[FeatureName, int] = {}

    def learn(self, x: Mapping[FeatureName, Any]) -> FloatArray:
        """The ``(1, D)`` vector of `x` after opening columns for features never seen before."""
        # Sorted, so that the columns do not depend on the order within a dictionary.
        for name in sorted((k for k in x if k not in self._column), key=lambda k: (str(type(k)), k)):
            self._column[name] = len(self._column)
        return self.vector(x)

    def vector(self, x: Mapping[FeatureName, Any]) -> FloatArray:
        """The ``(1, D)`` vector of `x`; unknown features are left out, missing ones are 0."""
        row = np.zeros((1, len(self._column)), np.float32)
        for name, value in x.items():
            column = self._column.get(name)
            if column is not None:
                row[0, column] = value
        return row


class OnlineClusterer(Clusterer, abc.ABC):
    """Clusters vectors by direction as they arrive, without being told how many clusters there are.

    A vector enters a micro-cluster and stays there; clusters are groups of micro-clusters. Cluster ids are
    never used twice. `repair` regroups the micro-clusters and reports what changed as lineage.

    `learn_one` and `learn_many` do the same to a stream, however it is cut into batches. Names of features
    are not part of the durable state: what is to be restored is learnt through `learn_many`, or with the
    columns 0, 1, 2, ... as names.
    """

    restore_by_replay: ClassVar[bool] = False
    """True where the state can't be restored from records: learn all stored vectors again, in order, with
    `repair` called at the same places."""

    @abc.abstractmethod
    def learn_many(self, vectors: FloatArray) -> Assignments:
        """Learns ``(N, D)`` vectors in order; they need not have unit length.

        Raises:
            StateError: D differs from the vectors learnt before.
        """

    @abc.abstractmethod
    def predict_many(self, vectors: FloatArray) -> Assignments:
        """Says where ``(N, D)`` vectors would belong, learning nothing; `micros` is -1 for a new one."""

    @abc.abstractmethod
    def repair(self) -> list[LineageEvent]:
        """Brings the partition to offline quality; cluster ids follow the largest overlap."""

    @abc.abstractmethod
    def settle(self) -> list[LineageEvent]:
        """What a stream ends with: a repair, unless nothing has been learnt since the last one."""

    @abc.abstractmethod
    def forget(self, remaining: Mapping[int, FloatArray]) -> list[LineageEvent]:
        """Takes vectors out of micro-clusters.

        Args:
            remaining: micro-cluster -> ``(N, D)`` vectors that stay in it, in the order they came; N may be 0.

        Raises:
            StateError: the clusterer can't forget.
        """

    @abc.abstractmethod
    def hand_back(self, remaining: Mapping[int, FloatArray], strangers: Sequence[tuple[int, FloatArray]]) -> list[int]:
        """Takes vectors out of their cluster for good, because they turned out not to belong there.

        Each is tried in the cluster that suits it best of those it was never handed back from, or is an outlier; after
        the third time it stays one.

        Args:
            remaining: micro-cluster -> ``(N, D)`` vectors that stay in it, in the order they came; N may be 0.
            strangers: micro-cluster and ``(D,)`` vector of each that leaves; their clusters keep other members.

        Returns:
            The micro-cluster of each from now on.

        Raises:
            StateError: the clusterer can't forget.
        """

    @abc.abstractmethod
    def labels_of(self, micros: IntArray) -> IntArray:
        """Current cluster ids of micro-clusters.

        Raises:
            NotFoundError: one of the ids was never given out.
        """

    @abc.abstractmethod
    def sizes(self) -> dict[int, int]:
        """Vectors in each cluster, outliers left out."""

    @abc.abstractmethod
    def size_bytes(self) -> int:
        """Memory of what grows with the vectors learnt."""

    @abc.abstractmethod
    def changed(self) -> MicroChanges:
        """Micro-clusters that changed since the last call, to be written over those with the same id.

        What is given may be read again from the source that `restore` was given, as soon as anything is called next.
        """

    @abc.abstractmethod
    def scalars(self) -> dict[str, Any]:
        """The rest of the state, to be written whole; numbers, strings and bytes only."""

    def changed_scalars(self) -> dict[str, Any]:
        """Of the rest of the state what may have changed since the last call; None for what is gone."""
        return self.scalars()

    @abc.abstractmethod
    def restore(
        self, micros: Iterable[MicroRecord], scalars: Mapping[str, Any], source: Source, file: Path | None = None
    ) -> None:
        """Takes over the latest record of each micro-cluster, in order of id, and the latest scalars.

        Whatever is learnt afterwards ends the same, bit for bit, as without the interruption. Of nothing at all it is
        an empty clusterer that knows where its sums will be.

        Args:
            micros: the records.
            scalars: what `scalars` gave, or `changed_scalars` one after the other.
            source: reads sums ``(M, D)`` of micro-clusters as they were written last, from now on.
            file: what `save` wrote before; it makes this faster, and is passed over where it does not suit.

        Raises:
            StateError: records are missing or do not fit each other, or the clusterer restores by replay.
        """

    def save(self, file: Path, *, due: bool = False) -> None:
        """Writes what makes `restore` faster, if there is anything; all that was `changed` has to be stored.

        Args:
            file: where to.
            due: only if much of it is new.

        Raises:
            OSError: the file can't be written.
        """

    @property
    def n_clusters(self) -> int:
        """Clusters that have members."""
        return len(self.sizes())


def unit_rows(vectors: NDArray[Any]) -> FloatArray:
    """Rows scaled to unit length in float32; rows of zeros stay zero."""
    wide = np.asarray(vectors, np.float64)
    norm = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.maximum(norm, 1e-12), np.float32)
