"""Which clusters a descriptor is near: the vector side of every query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from index.library import Library
from index.summaries import ClusterSummary, QueryHit
from index.vectors import VectorIndex
from ops.errors import ConfigError

_CHUNK = 4096  # vectors added at once; bounds memory while catching up with a large library


@dataclass(slots=True)
class _Tally:
    owner: ClusterSummary
    score: float
    nearest: int
    votes: int = 0


class SimilaritySearch:
    """Nearest clusters by the descriptors of their images, always up to date with the library.

    Keeps a vector index of its own, which takes in the images stored since the last call. Safe to call
    from several threads.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._index: VectorIndex | None = None
        self._next = 0
        self._deletions = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._index) if self._index is not None else 0

    def query(self, vector: NDArray[np.float32], k: int = 50) -> list[QueryHit]:
        """Clusters of the ``k`` nearest images, by best cosine similarity, then by votes.

        Images in no cluster are passed over, so there may be fewer votes than ``k``.

        Args:
            vector: ``(D,)`` unit descriptor of the library's backbone.
            k: images that vote.

        Raises:
            ConfigError: the descriptor is not as long as the library's.
        """
        with self._lock:
            self._catch_up()
            if self._index is None:
                return []
            if len(vector) != self._index.dim:
                raise ConfigError(f"the library's descriptors have {self._index.dim} numbers, not {len(vector)}")
            scores, ids = self._index.search(np.asarray(vector, np.float32)[None], k)
        return self._hits(scores[0], ids[0])

    def _catch_up(self) -> None:
        rows = self._library.vectors(start=self._next)
        for chunk in _chunks(rows):
            ids = np.array([sample for sample, _ in chunk], np.int64)
            vectors = np.stack([vector for _, vector in chunk])
            if self._index is None:
                self._index = VectorIndex(vectors.shape[1])
            self._index.add(ids, vectors)
            self._next = int(ids[-1]) + 1
        deletions = self._library.deletions()
        if deletions != self._deletions and self._index is not None:
            self._index.remove(np.array(self._library.deleted(), np.int64))
            self._deletions = deletions

    def _hits(self, scores: NDArray[np.float32], ids: NDArray[np.int64]) -> list[QueryHit]:
        # Owners are looked up now rather than kept: a repair may move any image to another cluster.
        found = ids >= 0
        samples = ids[found].tolist()
        tallies: dict[int, _Tally] = {}
        for score, sample, owner in zip(scores[found].tolist(), samples, self._library.owners(samples), strict=True):
            if owner is not None:
                tallies.setdefault(owner.id, _Tally(owner, score, sample)).votes += 1
        hits = [
            QueryHit(number, tally.score, tally.votes, tally.owner.size, tally.owner.version, tally.nearest)
            for number, tally in tallies.items()
        ]
        return sorted(hits, key=lambda hit: (-hit.score, -hit.votes, hit.cluster))


def _chunks(
    rows: Iterator[tuple[int, NDArray[np.float32]]],
) -> Iterator[Sequence[tuple[int, NDArray[np.float32]]]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk
