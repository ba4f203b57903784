"""What becomes of a stream: the partition on the way and at its end, and who keeps the name of its cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix

from index.clustering import OUTLIER, OnlineClusterer, make_clusterer, takes_encoder
from ops.bench.cluster.descriptors import Described
from ops.bench.partition import alone

Labels = NDArray[np.int64]

BATCH = 32
HORIZON = 1000
"""Inserts over which names are followed."""

FIRST = 150
"""Images from which on names are followed."""


@dataclass(frozen=True, slots=True)
class Course:
    """One stream through the clusterer.

    Attributes:
        streamed: ``(N,)`` clusters when the last image had come, by image, whatever the order of the stream.
        repaired: the same after the repair that a stream ends with.
        kept: share of members that are in a cluster of the same name 1,000 inserts later, mean over the stream; None
            for a short stream.
        kept_last: the same for the members before the last 1,000 inserts.
        kept_repair: share of members that keep it through one repair, mean over repairs.
        could_keep: what `kept` would be at most if the later partition were the true one.
    """

    streamed: Labels
    repaired: Labels
    kept: float | None
    kept_last: float | None
    kept_repair: float | None
    could_keep: float | None


def follow(described: Described, order: NDArray[np.int64], name: str = "linkage") -> Course:
    """Streams the descriptors in an order, as the daemon would."""
    clusterer = make_clusterer(name, **({"encoder": described.encoder} if takes_encoder(name) else {}))
    vectors, micros = described.vectors[order], np.zeros(0, np.int64)
    history: list[Labels] = []
    repairs: list[float] = []
    for start in range(0, len(vectors), BATCH):
        before = clusterer.labels_of(micros) if len(micros) else micros
        since = _since_repair(clusterer)
        learnt = clusterer.learn_many(vectors[start : start + BATCH])
        after = clusterer.labels_of(micros) if len(micros) else micros
        if _since_repair(clusterer) < since + len(learnt.micros) and len(micros) >= FIRST:
            repairs += _share_kept(before, after)
        micros = np.concatenate([micros, learnt.micros])
        history.append(clusterer.labels_of(micros).copy())
    clusterer.settle()
    truth = described.truth[order]
    history.append(clusterer.labels_of(micros).copy())
    pairs = _pairs_of_moments(history)
    kept = [share for early, late in pairs for share in _share_kept(early, late[: len(early)])]
    could = [_share_nameable(early, truth[: len(early)]) for early, _ in pairs]
    return Course(
        _unshuffled(history[-2], order), _unshuffled(history[-1], order), _mean(kept), kept[-1] if kept else None,
        _mean(repairs), _mean(could),
    )  # fmt: skip


def _since_repair(clusterer: OnlineClusterer) -> int:
    return int(clusterer.scalars().get("since_repair", 0))


def agreement(partitions: Sequence[Labels]) -> float:
    """Mean adjusted Rand index over all pairs of partitions, outliers alone."""
    every = [alone(labels.tolist()) for labels in partitions]
    return float(np.mean([adjusted_rand_score(a, b) for i, a in enumerate(every) for b in every[:i]]))


def _pairs_of_moments(history: Sequence[Labels]) -> list[tuple[Labels, Labels]]:
    """Labels at a moment and when `HORIZON` more images had come."""
    sizes = [len(labels) for labels in history]
    pairs = []
    for early in history[:-1]:
        place = int(np.searchsorted(sizes, len(early) + HORIZON))
        if len(early) >= FIRST and place < len(history):
            pairs.append((early, history[place]))
    return pairs


def _share_kept(early: Labels, late: Labels) -> list[float]:
    member = early != OUTLIER
    return [float((early == late)[member].mean())] if member.any() else []


def _share_nameable(early: Labels, truth: Labels) -> float:
    """Share of members that keep their cluster's name if clusters become shapes, each named as suits it best."""
    member = early != OUTLIER
    if not member.any():
        return 1.0
    table = contingency_matrix(truth[member], early[member])
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / member.sum())


def _unshuffled(labels: Labels, order: Labels) -> Labels:
    found = np.empty_like(labels)
    found[order] = labels
    return found


def _mean(shares: Sequence[float]) -> float | None:
    return float(np.mean(shares)) if shares else None
