"""Whatever happens to a stream, in whatever order, every vector is in exactly one place."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from index.clustering.online_linkage import OnlineLinkage
from index.records import OUTLIER
from tests.test_index_clustering_base import blobs

VECTORS = blobs(groups=5, each=24, noise=0.1)[0]
VECTORS[100:] = VECTORS[:20] * 1.5  # copies
COUNT = len(VECTORS)

steps = st.lists(
    st.tuples(st.sampled_from(["learn", "forget", "hand back", "repair", "settle"]), st.integers(1, 40)),
    min_size=4, max_size=14,
)  # fmt: skip


class Stream:
    """A clusterer, and where each vector is supposed to be."""

    def __init__(self, order: list[int]) -> None:
        self.clusterer = OnlineLinkage()
        self.waiting = order
        self.place: dict[int, int] = {}  # vector -> micro-cluster

    def learn(self, count: int) -> None:
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        found = self.clusterer.learn_many(VECTORS[batch])
        self.place |= dict(zip(batch, found.micros.tolist(), strict=True))

    def forget(self, count: int) -> None:
        """Deletes vectors, which may come again."""
        gone = list(self.place)[: min(count, len(self.place) - 1)]
        touched = {self.place.pop(vector) for vector in gone}
        self.clusterer.forget({micro: VECTORS[self.held(micro)].reshape(-1, VECTORS.shape[1]) for micro in touched})
        self.waiting += gone

    def hand_back(self, count: int) -> None:
        clustered = [v for v, micro in self.place.items() if self.cluster_of(micro) != OUTLIER]
        if clustered:
            leaving = clustered[count % len(clustered)]
            micro = self.place.pop(leaving)
            rest = VECTORS[self.held(micro)].reshape(-1, VECTORS.shape[1])
            (self.place[leaving],) = self.clusterer.hand_back({micro: rest}, [(micro, VECTORS[leaving])])

    def held(self, micro: int) -> list[int]:
        return [vector for vector, place in self.place.items() if place == micro]

    def cluster_of(self, micro: int) -> int:
        return int(self.clusterer.labels_of(np.array([micro]))[0])

    def check(self) -> None:
        """Micro-clusters hold as many as are in them, clusters as many as their micro-clusters."""
        held: dict[int, int] = {}
        sizes: dict[int, int] = {}
        for micro in self.place.values():
            held[micro] = held.get(micro, 0) + 1
            cluster = self.cluster_of(micro)
            sizes[cluster] = sizes.get(cluster, 0) + 1
        sizes.pop(OUTLIER, None)
        counts = {micro: int(n) for micro, n in enumerate(self.clusterer._table.counts) if n}
        assert counts == held and self.clusterer.sizes() == sizes


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps, st.permutations(range(COUNT)))
def test_every_vector_is_in_exactly_one_place(todo: list[tuple[str, int]], order: list[int]) -> None:
    stream = Stream(list(order))
    stream.learn(30)
    for kind, count in todo:
        if kind == "learn" and stream.waiting:
            stream.learn(count)
        elif kind == "forget":
            stream.forget(count)
        elif kind == "hand back":
            stream.hand_back(count)
        elif kind == "repair":
            stream.clusterer.repair()
        elif kind == "settle":
            stream.clusterer.settle()
        stream.check()
    assert len(stream.place) + len(stream.waiting) == COUNT


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.permutations(range(COUNT)), st.integers(1, 60))
def test_what_is_deleted_and_comes_again_ends_where_it_was(order: list[int], count: int) -> None:
    steady, churned = Stream(list(order)), Stream(list(order))
    for stream in (steady, churned):
        stream.learn(COUNT)
    churned.forget(count)
    churned.learn(count)
    labels = []
    for stream in (steady, churned):
        stream.clusterer.settle()
        stream.check()
        labels.append([stream.cluster_of(stream.place[vector]) for vector in range(COUNT)])
    assert adjusted_rand_score(*labels) > 0.95
