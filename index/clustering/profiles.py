"""What each cluster looks like, found by the cells it is in: a snapshot for more clusters than can all be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.base import FloatArray, IntArray
from index.clustering.celled import CelledRows
from index.clustering.cells import MOST_NEAR, Cells
from index.clustering.growing import NONE
from index.clustering.rows import Rows
from index.clustering.snapshot import strongest
from index.clustering.space import Space
from index.records import OUTLIER
from ops.errors import StateError

_KEY = "profile/"
_CLOSEST = 5  # profiles that are compared exactly


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
        rank = space.projection.shape[1]
        self._rows, self._held = Rows(rank), CelledRows(len(cells), rank)  # by cluster
        self._dirty: set[int] = set()

    def put(self, profiles: Mapping[int, FloatArray]) -> None:
        """Sets the profiles ``(r,)`` of clusters."""
        if not profiles:
            return
        rows = np.stack(list(profiles.values()))
        for cluster, row in zip(profiles, rows, strict=True):
            self._rows.put(cluster, row)
        self._held.put(np.array(list(profiles), np.int64), self.cells.place(rows), rows)
        self._dirty |= profiles.keys()

    def drop(self, clusters: Iterable[int]) -> None:
        """Forgets clusters; those without a profile are passed over."""
        for cluster in clusters:
            if self._rows.drop(cluster):
                self._held.drop(cluster)
                self._dirty.add(cluster)

    def succeed(self, before: CellProfiles) -> None:
        """Takes the place of others: their clusters count as changed, so that none of them is left in the store."""
        self._dirty |= before._dirty | set(before._rows.numbers())

    def moved(self, cells: Cells) -> CellProfiles:
        """The same profiles by other cells of the space."""
        found = CellProfiles(self.space, cells)
        numbers = self._rows.numbers()
        found.put(dict(zip(numbers, self._rows.of(np.array(numbers, np.int64)), strict=True)))
        found._dirty = set(self._dirty)
        return found

    def cell_of(self, clusters: IntArray) -> IntArray:
        """The cell of each cluster's profile, `NONE` for one without."""
        found = np.full(len(clusters), NONE, np.int64)
        real = clusters != OUTLIER
        found[real] = self._held.cell_of(clusters[real])
        return found

    def inside(self, cells: IntArray) -> IntArray:
        """The clusters whose profiles are in some of the cells."""
        return self._held.inside(cells)

    def without(self, clusters: Sequence[int]) -> CellProfilesView:
        """The profiles as if there were no such clusters."""
        return CellProfilesView(self, frozenset(clusters))

    def classify(
        self, rows: NDArray[np.float64], threshold: float, barred: frozenset[int] = frozenset()
    ) -> tuple[IntArray, FloatArray]:
        """The best cluster of each unit row of the space, and how strongly it belongs there, as `Snapshot.classify`."""
        near, count = self.cells.near(rows, MOST_NEAR), _CLOSEST + len(barred)
        ids = self._held.nearest(rows.astype(np.float32), near, count)
        # What half precision proposes is decided in float64; where that is equal, the older cluster is taken.
        ids.sort(axis=1)
        scores = np.full(ids.shape, -np.inf)
        free = (ids != NONE) & ~np.isin(ids, list(barred))
        of, _ = np.nonzero(free)
        scores[free] = np.einsum("kr,kr->k", self._rows.of(ids[free]).astype(np.float64), rows[of])
        return strongest(scores, ids, threshold)

    def pack(self) -> dict[str, bytes]:
        """All profiles by name, as `changes` gives those that changed."""
        return {f"{_KEY}{cluster}": self._raw(cluster) for cluster in self._rows.numbers()}

    def changes(self) -> dict[str, bytes | None]:
        """Profiles that changed since the last call; None for those that are gone."""
        dirty, self._dirty = sorted(self._dirty), set()
        return {f"{_KEY}{cluster}": self._raw(cluster) if cluster in self._rows else None for cluster in dirty}

    def load(self, packed: Mapping[str, Any]) -> None:
        """Takes over what `pack` gave.

        Raises:
            StateError: a profile is of the wrong size.
        """
        rank = self.space.projection.shape[1]
        found: dict[int, FloatArray] = {}
        for name, raw in packed.items():
            if not name.startswith(_KEY):
                continue
            row = np.frombuffer(raw, "<f4").astype(np.float32)
            if len(row) != rank:
                raise StateError(f"the store's clusterer state is damaged ({name}): restore a backup")
            found[int(name[len(_KEY) :])] = row
        self.put(found)
        self._dirty.clear()

    def _raw(self, cluster: int) -> bytes:
        return np.asarray(self._rows.of(np.array([cluster]))[0], "<f4").tobytes()


class CellProfilesView:
    """Profiles without some of the clusters."""

    def __init__(self, profiles: CellProfiles, barred: frozenset[int]) -> None:
        self._profiles, self._barred = profiles, barred

    def classify(self, rows: NDArray[np.float64], threshold: float) -> tuple[IntArray, FloatArray]:
        """As `CellProfiles.classify`."""
        return self._profiles.classify(rows, threshold, self._barred)
