"""What each cluster looks like, found by the cells it is in: a snapshot for more clusters than can all be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.cells import MOST_NEAR, NONE, CellLists, Cells
from index.clustering.space import Space
from index.records import OUTLIER
from ops.errors import StateError

_KEY = "profile/"


class CellProfiles:
    """Mean of each cluster's unit rows, kept by cell; it may be replaced for one cluster at a time.

    Offers what `Snapshot` does. A cluster that is far from a vector may be overlooked; one that the vector is to join
    is near it.

    Attributes:
        space: where similarities are measured.
        cells: that the profiles are kept by.
    """

    def __init__(self, space: Space, cells: Cells) -> None:
        self.space, self.cells = space, cells
        self._lists = CellLists(len(cells))
        self._rows: dict[int, FloatArray] = {}  # by cluster
        self._dirty: set[int] = set()

    def put(self, cluster: int, profile: FloatArray) -> None:
        """Sets the profile ``(r,)`` of a cluster."""
        self._rows[cluster] = profile
        self._lists.put(cluster, int(self.cells.place(profile[None])[0]))
        self._dirty.add(cluster)

    def drop(self, clusters: Iterable[int]) -> None:
        """Forgets clusters; those without a profile are passed over."""
        for cluster in clusters:
            if self._rows.pop(cluster, None) is not None:
                self._lists.drop(cluster)
                self._dirty.add(cluster)

    def succeed(self, before: CellProfiles) -> None:
        """Takes the place of others: their clusters count as changed, so that none of them is left in the store."""
        self._dirty |= before._dirty | before._rows.keys()

    def cell_of(self, clusters: IntArray) -> IntArray:
        """The cell of each cluster's profile, `NONE` for one without."""
        found = np.full(len(clusters), NONE, np.int64)
        real = clusters != OUTLIER
        found[real] = self._lists.cell_of(clusters[real])
        return found

    def without(self, clusters: Sequence[int]) -> CellProfilesView:
        """The profiles as if there were no such clusters."""
        return CellProfilesView(self, frozenset(clusters))

    def classify(
        self, rows: NDArray[np.float64], threshold: float, barred: frozenset[int] = frozenset()
    ) -> tuple[IntArray, FloatArray]:
        """The best cluster of each unit row of the space, and how strongly it belongs there, as `Snapshot.classify`."""
        clusters, strengths = np.full(len(rows), OUTLIER, np.int64), np.zeros(len(rows), np.float32)
        for place, (row, cells) in enumerate(zip(rows, self.cells.near(rows, MOST_NEAR), strict=True)):
            ids = [cluster for cluster in self._lists.inside(cells).tolist() if cluster not in barred]
            if not ids:
                continue
            scores = np.stack([self._rows[cluster] for cluster in ids]).astype(np.float64) @ row
            # In order of the id where scores are equal, whatever the order within a cell.
            best = min(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
            top = float(scores[best])
            if top < threshold:
                continue
            scores[best] = -np.inf
            second = max(float(scores.max()), 0.0)
            clusters[place], strengths[place] = ids[best], np.clip(1.0 - second / max(top, 1e-9), 0.0, 1.0)
        return clusters, strengths

    def pack(self) -> dict[str, bytes]:
        """All profiles by name, as `changes` gives those that changed."""
        return {f"{_KEY}{cluster}": _raw(row) for cluster, row in self._rows.items()}

    def changes(self) -> dict[str, bytes | None]:
        """Profiles that changed since the last call; None for those that are gone."""
        dirty, self._dirty = sorted(self._dirty), set()
        found = {cluster: self._rows.get(cluster) for cluster in dirty}
        return {f"{_KEY}{cluster}": None if row is None else _raw(row) for cluster, row in found.items()}

    def load(self, packed: Mapping[str, Any]) -> None:
        """Takes over what `pack` gave.

        Raises:
            StateError: a profile is of the wrong size.
        """
        rank = self.space.projection.shape[1]
        for name, raw in packed.items():
            if not name.startswith(_KEY):
                continue
            row = np.frombuffer(raw, "<f4").astype(np.float32)
            if len(row) != rank:
                raise StateError(f"the store's clusterer state is damaged ({name}): restore a backup")
            self.put(int(name[len(_KEY) :]), row)
        self._dirty.clear()


class CellProfilesView:
    """Profiles without some of the clusters."""

    def __init__(self, profiles: CellProfiles, barred: frozenset[int]) -> None:
        self._profiles, self._barred = profiles, barred

    def classify(self, rows: NDArray[np.float64], threshold: float) -> tuple[IntArray, FloatArray]:
        """As `CellProfiles.classify`."""
        return self._profiles.classify(rows, threshold, self._barred)


def _raw(row: FloatArray) -> bytes:
    return np.asarray(row, "<f4").tobytes()
