"""The map of the library: clusters on the two axes along which their mean descriptors differ most."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from index.library import Library

_MOST = 3000
_FRESH_S = 20.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A cluster on the map.

    Attributes:
        cluster: its id.
        x: place along the first axis, -1 to 1 on the longer one.
        y: place along the second.
        size: its images.
        version: of its published shape, 0 for none.
        loss: of that version.
        name: what people call it.
    """

    cluster: int
    x: float
    y: float
    size: int
    version: int
    loss: float
    name: str


@dataclass(frozen=True, slots=True)
class LibraryMap:
    """A map, largest clusters first.

    Attributes:
        points: the largest clusters.
        clusters: open clusters there are.
        explained: share of the variance of all points' descriptors that the two axes hold.
    """

    points: list[MapPoint]
    clusters: int
    explained: float


class Atlas:
    """Draws the map and keeps it: it is drawn anew once the library has changed, though not every moment."""

    def __init__(self, library: Library, fresh_s: float = _FRESH_S, most: int = _MOST) -> None:
        """Draws nothing yet.

        Args:
            library: what is mapped.
            fresh_s: seconds for which a map is handed out though the library has changed.
            most: clusters at most; the largest are shown.
        """
        self._library = library
        self._fresh_s = fresh_s
        self._most = most
        self._lock = Lock()
        self._map: LibraryMap | None = None
        self._change = -1
        self._drawn = 0.0

    def __call__(self) -> LibraryMap:
        """The map of the library as it is now, or was a moment ago."""
        with self._lock:
            change = self._library.last_change()
            known = self._map
            if known is None or (change != self._change and time.monotonic() - self._drawn >= self._fresh_s):
                known = self._map = self._draw(known)
                self._change, self._drawn = change, time.monotonic()
            return known

    def _draw(self, before: LibraryMap | None) -> LibraryMap:
        found, vectors = self._library.centroids(self._most)
        places, explained = project(vectors)
        places = _turned(places, [cluster for cluster, _ in found], before)
        points = [
            MapPoint(cluster, round(float(x), 4), round(float(y), 4), one.size, one.version, one.loss, one.name)
            for (cluster, one), (x, y) in zip(found, places, strict=True)
        ]
        return LibraryMap(points, self._library.status().clusters, explained)


def project(vectors: NDArray[np.float32]) -> tuple[Floats, float]:
    """Principal components of vectors ``(N, D)``.

    Returns:
        Places ``(N, 2)``, the farthest coordinate at -1 or 1, and the share of the variance that they hold.
    """
    from sklearn.decomposition import PCA  # takes seconds to import

    places = np.zeros((len(vectors), 2))
    spread = float(vectors.var(axis=0).sum()) if len(vectors) else 0.0
    if spread < 1e-12:  # fewer than two clusters, or all alike
        return places, 1.0
    axes = min(2, *vectors.shape)
    found = PCA(axes, svd_solver="randomized", random_state=0)
    places[:, :axes] = found.fit_transform(vectors)
    return places / np.abs(places).max(), float(found.explained_variance_ratio_.sum())


def _turned(places: Floats, clusters: list[int], before: LibraryMap | None) -> Floats:
    """Places with each axis pointing the way it did before; which way it points is of no account otherwise."""
    known = {point.cluster: (point.x, point.y) for point in before.points} if before else {}
    both = [(row, known[cluster]) for row, cluster in enumerate(clusters) if cluster in known]
    if not both:
        return places
    now, then = places[[row for row, _ in both]], np.array([place for _, place in both])
    return places * np.where((now * then).sum(0) < 0, -1.0, 1.0)
