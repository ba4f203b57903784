"""What dividing a library into parts costs: clusters that a border cuts, neighbours that lie in another part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.backbones import load_backbone
from index.clustering.base import unit_rows
from index.kmeans import FloatArray
from index.routing import learn_routing
from ops.bench.cluster.descriptors import Described, describe
from ops.bench.cluster.stream import follow
from ops.bench.partition import alone, score_partition
from ops.bench.report import Measure, Report

_NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """What to run.

    Attributes:
        keep: folder of the descriptors.
        parts: into how many the library is divided, one division after another.
        sample: descriptors from the beginning of the stream that a division is learnt from.
        backbone: describes what the folder does not hold.
    """

    keep: Path
    parts: tuple[int, ...] = (2, 4, 8)
    sample: int = 4096
    backbone: str = "embedded"


def run(folders: Sequence[Path], settings: Settings, tell: Callable[[str], None]) -> Report:
    """Divides streams of labelled images and clusters each part by itself.

    Raises:
        SourceError: data have no truth.
    """
    measures: list[Measure] = []
    facts: dict[str, str | int | float] = {"learnt from": settings.sample}
    for folder in folders:
        described = describe(folder, settings.keep, partial(load_backbone, settings.backbone), tell)
        tell(f"{described.name}: in one piece")
        whole = _score(described, _clustered(described))
        near = _nearest(unit_rows(described.vectors))
        for parts in settings.parts:
            tell(f"{described.name}: in {parts} parts")
            measures += _measure(described, parts, settings.sample, whole, near)
        facts[folder.name] = f"{len(described.vectors):,} images of {len(np.unique(described.truth))} shapes"
    return Report("a library in parts, beside one in one piece", measures, facts)


def _measure(
    described: Described, parts: int, sample: int, whole: tuple[float, float], near: NDArray[np.int64]
) -> list[Measure]:
    vectors = unit_rows(described.vectors)
    affinities = learn_routing(vectors[:sample], parts, described.encoder[1]).affinities(vectors)
    homes = affinities.argmax(axis=1)
    ari, nmi = _score(described, _clustered_apart(described, homes))
    name = f"{described.name}, {parts} parts"
    ranks = np.argsort(-affinities, axis=1)
    found = [_found(ranks[:, :asked], homes, near) for asked in (1, 2)]
    return [
        Measure(f"{name}: ARI", ari, "higher", {"in one piece": whole[0]}),
        Measure(f"{name}: NMI", nmi, "higher", {"in one piece": whole[1]}),
        Measure(
            f"{name}: of the {_NEIGHBOURS} nearest images, in the part asked first", found[0], "higher", {"all": 1}
        ),
        Measure(f"{name}: the same, in the first two", found[1], "higher", {"all": 1}),
        Measure(f"{name}: largest part over the mean", float(np.bincount(homes).max() * parts / len(homes)), "lower"),
    ]


def _score(described: Described, labels: NDArray[np.int64]) -> tuple[float, float]:
    found = score_partition(described.truth.tolist(), labels.tolist())
    return found.ari, found.nmi


def _clustered(described: Described) -> NDArray[np.int64]:
    return follow(described, np.arange(len(described.vectors))).repaired


def _clustered_apart(described: Described, homes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of all images, each part clustered by itself; an outlier is alone."""
    labels = np.zeros(len(homes), np.int64)
    used = 0
    for part in np.unique(homes):
        inside = homes == part
        some = replace(described, vectors=described.vectors[inside], truth=described.truth[inside])
        found = alone(_clustered(some).tolist())
        labels[inside] = found + used
        used += int(found.max()) + 1
    return labels


def _nearest(vectors: FloatArray) -> NDArray[np.int64]:
    """The images nearest to each ``(N, 10)``, itself left out."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS].astype(np.int64)


def _found(asked: NDArray[np.int64], homes: NDArray[np.int64], near: NDArray[np.int64]) -> float:
    return float((homes[near][:, :, None] == asked[:, None, :]).any(axis=2).mean())
