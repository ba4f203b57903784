"""A cluster that doubles: its shape continued, beside the same images from a cold start.

As the daemon has it: the first search is a draft's, and as the shape is continued it has to stand against a search from
nothing where it is not sure of its cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.config import Config
from index.backbones import load_backbone
from ops.bench.clock import clock_of
from ops.bench.reconstruct import find_views, read_pictures, recovered
from ops.bench.report import Measure, Report
from ops.bench.shapes import Judge, Judgement
from ops.bench.truth import load_truth
from recon import ReconConfig, Reconstruction, challenge, reconstruct
from recon.config import Effort
from recon.types import Views

_LEVEL = 0.005
"""F-scores as near as this are the same: drawing the points of the surfaces anew moves them as much."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to grow and how.

    Attributes:
        shapes: names of shapes; all if empty.
        views: images of each shape once it has doubled.
        effort: preset of the reconstructions.
        backbone: encoder of masks and features.
        device: torch device.
        seeds: each shape is grown with all of them.
    """

    shapes: Sequence[str] = ()
    views: int = 40
    effort: Effort = "quick"
    backbone: str = "embedded"
    device: str = "cpu"
    seeds: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True)
class Growth:
    """One cluster that doubled.

    Attributes:
        shape: the true shape.
        first_s: seconds of the first half's shape; of the processor where that does the work, which other programs do
            not lengthen.
        cold_s: seconds of a cold start from all images.
        warm_s: seconds of a warm start from the shape of the first half.
        search_s: seconds of a search from nothing with the shape of the first half as a rival.
        sure: the first half's shape is sure enough of its cameras to be continued without a search.
        half: figures of the first half's shape.
        cold: of the cold start; None if it found no shape.
        warm: of the warm start, likewise.
        search: of what came of the search.
    """

    shape: str
    first_s: float
    cold_s: float
    warm_s: float
    search_s: float
    sure: bool
    half: Judgement
    cold: Judgement | None
    warm: Judgement | None
    search: Judgement | None

    @property
    def last(self) -> Judgement | None:
        """Of what the daemon makes of it."""
        return self.warm if self.sure else self.search

    @property
    def seconds(self) -> float:
        """That the daemon takes for it."""
        return self.warm_s if self.sure else self.search_s

    @property
    def reached(self) -> float | None:
        """Seconds until there was a shape with the cold start's F-score, over the cold start's; None if never."""
        return self.seconds / self.cold_s if _fscore(self.last) >= _fscore(self.cold) - _LEVEL else None


def run(data: Path, settings: Settings, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Doubles one cluster after the other.

    Args:
        data: folder with shards and truth.
        settings: what and how.
        progress: told one line a cluster.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    encoder, judge = load_backbone(settings.backbone, device=settings.device), Judge(truth)
    grown: list[Growth] = []
    shapeless = 0
    for name in truth.wanted(settings.shapes):
        keys = [image.key for image in truth.of_shape(name)][: settings.views]
        pictures = read_pictures(data / "shards", keys)
        views = find_views(encoder, [pictures[key] for key in keys])
        for seed in settings.seeds:
            found = _grown(name, keys, views, settings, seed, judge)
            shapeless += found is None
            grown += [found] if found is not None else []
            progress(_line(name, seed, found))
    facts: dict[str, str | int | float] = {
        "effort": settings.effort,
        "views": settings.views,
        "grown": len(grown),
        "no shape to grow": shapeless,
    }
    return Report(f"{data.name}: clusters that double", measures_of(grown), facts)


def _grown(name: str, keys: Sequence[str], views: Views, settings: Settings, seed: int, judge: Judge) -> Growth | None:
    """One cluster before and after; None if its first half gives no shape."""
    config = ReconConfig.preset(settings.effort)

    clock = clock_of(settings.device)

    def timed(of: Views, warm: Reconstruction | None, brief: bool = False) -> tuple[Reconstruction, float]:
        began, asked = clock(), config.drafted() if brief else config
        return reconstruct(of, asked, warm=warm, seed=seed, device=settings.device), clock() - began

    def searched(known: Reconstruction) -> tuple[Reconstruction, float]:
        began = clock()
        if known.verdict != "shape":  # the daemon starts anew then
            return reconstruct(views, config, seed=seed, device=settings.device), clock() - began
        return challenge(views, known, config, seed=seed, device=settings.device)[0], clock() - began

    def judged(found: Reconstruction) -> Judgement | None:
        known = recovered(name, keys, len(keys), found)
        return judge.judge(known) if known is not None else None

    first, first_s = timed(views.take(np.arange(len(views) // 2)), None, brief=True)
    half = judged(first)
    if half is None:
        return None
    warm, warm_s = timed(views, first)
    search, search_s = searched(first)
    cold, cold_s = timed(views, None)
    certainty = first.shape.cameras.certainty if first.shape is not None else None
    sure = certainty is not None and certainty >= Config().recon.search_below
    return Growth(name, first_s, cold_s, warm_s, search_s, sure, half, judged(cold), judged(warm), judged(search))


def measures_of(grown: Sequence[Growth]) -> list[Measure]:
    """Time and quality of continuing beside those of starting over."""
    if not grown:
        return []
    first_s, cold_s, warm_s, search_s, seconds = (
        float(np.mean([getattr(one, name) for one in grown]))
        for name in ("first_s", "cold_s", "warm_s", "search_s", "seconds")
    )
    both = [one for one in grown if one.warm is not None and one.search is not None and one.cold is not None]
    reached = [one.reached for one in grown if one.reached is not None]
    in_time = np.mean(reached) if reached else float("nan")
    rows: dict[str, Callable[[Judgement], float]] = {
        "F-score at 0.05": lambda judged: judged.surface.fscore,
        "rotation error < 30°": lambda judged: float((judged.errors < 30).mean()),
    }
    found = [
        Measure("seconds for twice the images", seconds, "lower", {"cold start": cold_s}),
        Measure("seconds where a shape is continued", warm_s, "lower", {"cold start": cold_s}),
        Measure("seconds with a search from nothing", search_s, "lower", {"cold start": cold_s}),
        Measure("seconds of the first half's shape", first_s, "lower", {"cold start": cold_s}),
        Measure("clusters that reach the cold start's F-score", len(reached) / len(grown), "higher", {"to reach": 0.9}),
        Measure("their seconds over the cold start's", float(in_time), "lower", {"to reach": 0.15}),
    ]
    for what, of in rows.items():
        last, warm, search, cold, half = (
            float(np.mean([of(getattr(one, name)) for one in both]))
            for name in ("last", "warm", "search", "cold", "half")
        )
        others = {"cold start": cold, "all continued": warm, "all searched": search, "before it doubled": half}
        found.append(Measure(what, last, "higher", others))
    return found


def _fscore(judged: Judgement | None) -> float:
    return judged.surface.fscore if judged is not None else 0.0


def _line(name: str, seed: int, found: Growth | None) -> str:
    if found is None:
        return f"{name}, seed {seed}: no shape to grow"

    def told(judged: Judgement | None) -> str:
        if judged is None:
            return "no shape"
        return f"{np.median(judged.errors):.0f}°, {np.mean(judged.errors < 30):.2f}, F {judged.surface.fscore:.2f}"

    return (
        f"{name}, seed {seed}: half {found.first_s:.0f} s, {told(found.half)}; "
        f"cold {found.cold_s:.0f} s, {told(found.cold)}; warm {found.warm_s:.0f} s, {told(found.warm)}; "
        f"search {found.search_s:.0f} s, {told(found.search)}; {'sure' if found.sure else 'not sure'}"
    )
