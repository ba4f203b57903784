"""Runs the benchmark and lays out its table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from index.backbones import load_backbone
from index.clustering.metric import load_metric
from ops.bench.cluster.descriptors import Described, describe
from ops.bench.cluster.offline import rivals
from ops.bench.cluster.stream import HORIZON, Course, agreement, follow
from ops.bench.partition import PartitionScore, score_partition
from ops.bench.report import Measure, Report


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run.

    Attributes:
        keep: folder of the descriptors.
        orders: orders of each stream, the daemon's among them.
        clusterer: its name.
        backbone: describes what the folder does not hold.
    """

    keep: Path
    orders: int = 10
    clusterer: str = "linkage"
    backbone: str = "embedded"


def run(folders: Sequence[Path], settings: Settings, tell: Callable[[str], None]) -> Report:
    """Measure the clusterer on data folders.

    Raises:
        SourceError: data have no truth.
    """
    measures: list[Measure] = []
    facts: dict[str, str | int | float] = {"clusterer": settings.clusterer, "orders": settings.orders}
    for folder in folders:
        described = describe(folder, settings.keep, partial(load_backbone, settings.backbone), tell)
        measures += _measure(described, settings, tell)
        facts[folder.name] = f"{len(described.vectors):,} images of {len(np.unique(described.truth))} shapes"
    return Report("clusters: the stream beside offline clusterings of the same vectors", measures, facts)


def _measure(described: Described, settings: Settings, tell: Callable[[str], None]) -> list[Measure]:
    metric = load_metric(*described.encoder)
    tell(f"{described.name}: offline clusterings")
    others = rivals(described, metric.projection if metric else None)
    courses: list[Course] = []
    for number in range(settings.orders):
        tell(f"{described.name}: stream {number + 1} of {settings.orders}")
        count = len(described.vectors)
        order = np.random.default_rng(number).permutation(count) if number else np.arange(count)
        courses.append(follow(described, order, settings.clusterer))
    first, truth = courses[0], described.truth.tolist()
    streamed, repaired = (score_partition(truth, each.tolist()) for each in (first.streamed, first.repaired))
    return [*_scores(described.name, streamed, repaired, others), *_stability(described.name, courses)]


def _scores(
    name: str, streamed: PartitionScore, repaired: PartitionScore, others: dict[str, PartitionScore]
) -> list[Measure]:
    every = {"before the last repair": streamed, **others}
    return [
        Measure(f"{name}: ARI", repaired.ari, "higher", {who: one.ari for who, one in every.items()}),
        Measure(f"{name}: NMI", repaired.nmi, "higher", {who: one.nmi for who, one in every.items()}),
        Measure(f"{name}: clusters", repaired.clusters, "context", {who: one.clusters for who, one in every.items()}),
    ]


def _stability(name: str, courses: Sequence[Course]) -> list[Measure]:
    first = courses[0]
    found = []
    if len(courses) > 1:
        found.append(Measure(f"{name}: agreement of orders, mean ARI", agreement([each.repaired for each in courses])))
    if first.kept is not None and first.kept_last is not None and first.could_keep is not None:
        oracle = {"if it became the truth": first.could_keep}
        found.append(Measure(f"{name}: members that keep their id, {HORIZON:,} inserts", first.kept, "higher", oracle))
        found.append(Measure(f"{name}: the same, the last {HORIZON:,}", first.kept_last))
    if first.kept_repair is not None:
        found.append(Measure(f"{name}: members that keep their id, one repair", first.kept_repair))
    return found
