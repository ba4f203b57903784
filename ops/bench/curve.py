"""How the library gets better as the stream goes on, beside a library that is rebuilt at every doubling.

What the daemon's own schedule published is read from its feed and judged version by version; nothing is run again but
the baseline (`ops.bench.rebuilt`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from math import isnan, log
from pathlib import Path

import numpy as np

from index.jobs import MESH
from index.library import Library, open_library
from index.paging import MAX_LIMIT
from index.summaries import ChangeSummary, ClusterSummary, Page, ShapeSummary
from ops.bench.rebuilt import Settings, Tell, rebuild
from ops.bench.report import Better, Measure, Report
from ops.bench.shapes import Judge
from ops.bench.snapshot import every, take_snapshot
from ops.bench.truth import Truth, load_mesh, load_truth
from ops.bench.worth import Held, Point, judged, point

_REBUILT = "rebuilt at every doubling"


def run(data: Path, state: Path, settings: Settings | None, tell: Tell) -> Report:
    """Draws the curve of a finished state.

    Args:
        data: folder with truth.
        state: of a daemon that has mined the data.
        settings: of the baseline, which takes longer than the run did; None for none.
        tell: told of each rebuild.

    Raises:
        SourceError: the data have no truth.
        StateError: the state directory is none, or holds none of these images.
    """
    truth = load_truth(data)
    with closing(open_library(state)) as library:
        snapshot, judge = take_snapshot(library, truth), Judge(truth)
        clusters = list(_clusters(library))
        versions = [version for cluster in clusters for version in library.versions(cluster.id)]
        changes = list(every(lambda after: library.changes(after=after, limit=MAX_LIMIT)))
        keys = {image.id: image.key for image in snapshot.images}
        versions_by = {(version.id, version.version): version for version in versions}

        def held(change: ChangeSummary) -> Held:
            version = versions_by.get((change.cluster or 0, change.version or 0))
            # Of a cluster that was deleted since nothing is known any more.
            return Held(0, 0.0, 0) if version is None else _held(library, version, change.at, keys, truth, judge)

        points = curve(changes, held)
        rebuilt = rebuild(library, snapshot, truth, judge, settings, tell) if settings else None
    facts: dict[str, str | int | float] = {
        "images": points[-1].images, "versions": len(versions),
        "published": sum(version.outcome == "published" for version in versions),
        "images registered between versions": sum(change.count for change in changes if change.kind == "registered"),
        "seconds of the run": points[-1].seconds,
    }  # fmt: skip
    measures = measures_of(points, versions, sum(cluster.seconds for cluster in clusters), rebuilt)
    return Report(f"{data.name}: the library as the stream goes on", measures, facts)


def measures_of(
    points: Sequence[Point], versions: Sequence[ShapeSummary], spent: float, rebuilt: Sequence[Point] | None
) -> list[Measure]:
    """Areas and ends of the curve beside the baseline's.

    Args:
        points: of the library.
        versions: of its shapes.
        spent: seconds of its reconstructions, those that came to nothing better among them.
        rebuilt: the baseline's points; the seconds of the last are all it spent.
    """
    images, seconds = points[-1].images, points[-1].seconds

    def beside(name: str, value: Callable[[Sequence[Point]], float], better: Better = "higher") -> Measure:
        return Measure(name, value(points), better, {_REBUILT: value(rebuilt)} if rebuilt else {})

    found = [
        beside("area under the F-score, by images", lambda of: diluted([(p.images, p.fscore) for p in of], images)),
        beside(
            "area under the cameras < 30°, by images", lambda of: diluted([(p.images, p.right) for p in of], images)
        ),
        beside("F-score of all images at the end", lambda of: of[-1].fscore),
        beside("cameras < 30° of all images at the end", lambda of: of[-1].right),
        Measure("area under the F-score, by time", area([(p.seconds, p.fscore) for p in points], seconds)),
        Measure("seconds of reconstruction", spent, "lower", {_REBUILT: rebuilt[-1].seconds} if rebuilt else {}),
        Measure("versions whose level rose", rises(versions), "lower"),
    ]
    return [measure for measure in found if not isnan(measure.value)]  # without meshes there are no F-scores


def curve(changes: Sequence[ChangeSummary], held: Callable[[ChangeSummary], Held]) -> list[Point]:
    """What the library held after each change.

    Args:
        changes: the feed.
        held: what a shape holds once it has a version, or cameras of more images.
    """
    now: dict[int, Held] = {}
    began = changes[0].time
    points = []
    for change in changes:
        for gone in _ended(change):
            now.pop(gone, None)
        if change.kind in ("published", "rolled_back", "registered") and change.cluster is not None:
            now[change.cluster] = held(change)
        points.append(point(change.at, change.time - began, now.values()))
    return points


def area(steps: Sequence[tuple[float, float]], end: float) -> float:
    """Mean height of a curve of steps from 0 to an end; each height holds until the next place."""
    places = np.array([min(place, end) for place, _ in steps] + [end], float)
    heights = np.array([height for _, height in steps], float)
    return float((np.diff(places) * heights).sum() / end) if end else 0.0


def diluted(steps: Sequence[tuple[int, float]], end: int) -> float:
    """Mean height of a curve over images committed, where each height is a mean over them.

    What is held stays as it is until the next step while images that have no shape yet go on coming, so that between
    two steps the height falls as one over their number.
    """
    places = [min(place, end) for place, _ in steps] + [end]
    held = [place * height for place, height in steps]
    parts = (total * log(there / here) for total, here, there in zip(held, places, places[1:], strict=False) if here)
    return sum(parts) / end if end else 0.0


def rises(versions: Iterable[ShapeSummary]) -> int:
    """Publications whose level, the first loss times all held-out ratios, is above that of the one before."""
    levels: dict[int, float] = {}
    count = 0
    for version in versions:
        if version.outcome == "published" and version.judge != "person":
            count += version.level > levels.get(version.id, np.inf)
            levels[version.id] = version.level
    return count


def _ended(change: ChangeSummary) -> tuple[int, ...]:
    if change.kind == "merged":
        return change.others
    return (change.cluster,) if change.kind in ("dissolved", "deleted") and change.cluster is not None else ()


def _clusters(library: Library) -> Iterator[ClusterSummary]:
    """Every cluster that ever was, by id: the open ones, then the others."""
    for retired in (False, True):

        def page(after: str | None, retired: bool = retired) -> Page[ClusterSummary]:
            return library.clusters(order="id", retired=retired, after=after, limit=MAX_LIMIT)

        yield from every(page)


def _held(library: Library, version: ShapeSummary, at: int, keys: dict[int, str], truth: Truth, judge: Judge) -> Held:
    """What a version is worth once so many images have been committed."""
    then = [c for c in library.cameras(version.id, version.version) if c.image in keys and c.at <= at]
    if not (cameras := [camera for camera in then if camera.weight > 0]):
        return Held(0, 0.0, 0)
    mesh = load_mesh(library.artifact(version.id, MESH, version.version))
    rotations = np.array([camera.R for camera in cameras], float)
    return judged(
        [keys[camera.image] for camera in cameras], rotations, mesh, _images(library, version, at), truth, judge
    )


def _images(library: Library, version: ShapeSummary, at: int) -> int:
    """Images of its cluster at that moment."""
    then = every(lambda after: library.shapes_at(at, after=after, limit=MAX_LIMIT))
    # As the stream has ended several versions have one moment, and a cluster may have gone in it.
    return next((shape.images for shape in then if shape.id == version.id), version.views)
