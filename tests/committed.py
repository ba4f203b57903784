"""What a transactional store would hold of a clusterer, written change by change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.clustering.online_linkage import OnlineLinkage
from index.records import MicroRecord


class Disk:
    """Micro-clusters, their sums and scalars as they were committed last."""

    def __init__(self) -> None:
        self.micros: dict[int, MicroRecord] = {}
        self.sums: dict[int, bytes] = {}
        self.scalars: dict[str, Any] = {}

    def commit(self, clusterer: OnlineLinkage) -> None:
        """Writes what changed."""
        changes = clusterer.changed()
        self.micros |= {record.id: record for record in changes.records}
        self.sums |= changes.sums
        for name, value in clusterer.changed_scalars().items():
            if value is None:
                self.scalars.pop(name, None)
            else:
                self.scalars[name] = value

    def source(self, micros: NDArray[np.int64]) -> NDArray[np.float32]:
        """Sums as they were committed last."""
        return np.stack([np.frombuffer(self.sums[micro], "<f4") for micro in micros.tolist()])

    def restored(self, file: Path | None = None, **params: Any) -> OnlineLinkage:
        """A clusterer that goes on from here."""
        clusterer = OnlineLinkage(**params)
        records = [self.micros[number] for number in sorted(self.micros)]
        clusterer.restore(records, dict(self.scalars), self.source, file)
        return clusterer
