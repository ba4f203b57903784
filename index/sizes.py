"""What the store's bytes are for."""

from __future__ import annotations

from dataclasses import dataclass

from index.store import Store
from index.tables import ARTIFACTS, CAMERAS, CLUSTERER, SHAPES

_OF_SHAPES = frozenset({SHAPES.name, CAMERAS.name, ARTIFACTS.name})


@dataclass(frozen=True, slots=True)
class StoreSizes:
    """Bytes of the LMDB map by what they hold, and how large it is and may become.

    Attributes:
        images: what is kept of images, and grows with them.
        shapes: versions with their cameras and files.
        clusterer: the clusterer's state beside its micro-clusters, which hardly grows.
        free: what held something and is written to next; LMDB gives nothing back.
        map: of the map; it grows by itself.
        limit: that it may grow to.
    """

    images: int
    shapes: int
    clusterer: int
    free: int
    map: int
    limit: int

    @property
    def used(self) -> int:
        """Bytes of the file that have been in use."""
        return self.images + self.shapes + self.clusterer + self.free


def store_sizes(store: Store) -> StoreSizes:
    """The sizes of a store as it is now."""
    tables, used = store.table_bytes(), store.size_bytes()
    shapes = sum(size for name, size in tables.items() if name in _OF_SHAPES)
    clusterer, held = tables.get(CLUSTERER.name, 0), sum(tables.values())
    return StoreSizes(
        images=held - shapes - clusterer, shapes=shapes, clusterer=clusterer, free=max(0, used - held),
        map=store.map_bytes(), limit=store.limit_bytes(),
    )  # fmt: skip
