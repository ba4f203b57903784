"""Which clusters a descriptor is near: the vector side of every query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from index.compact import COMPONENTS, CompactIndex
from index.library import Library
from index.summaries import ClusterSummary, QueryHit
from index.vectors import VectorIndex
from ops.errors import ConfigError

_CHUNK = 4096  # vectors added at once; bounds memory while catching up with a large library
_EXACT = 4000  # so many vectors are few enough to be kept whole
_OUTGROWN = 4  # times as many vectors as the components were learnt of, and they are learnt anew
_SAMPLE = 20_000
_SHORTLIST = 3  # vectors looked at for each that is wanted


@dataclass(slots=True)
class _Tally:
    owner: ClusterSummary
    score: float
    nearest: int
    votes: int = 0


class SimilaritySearch:
    """Nearest clusters by the descriptors of their images, always up to date with the library.

    Keeps a vector index of its own, which takes in the images stored since the last call. Of a library of more than a
    few images it holds only the descriptors' main components: those that seem nearest by them are compared by the whole
    descriptors, read from the store. Safe to call from several threads.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._index: VectorIndex | CompactIndex | None = None
        self._learnt_of = 0
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
            scores, ids = self._nearest(self._index, np.asarray(vector, np.float32), k)
        return self._hits(scores, ids)

    def _nearest(
        self, index: VectorIndex | CompactIndex, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], list[int]]:
        if isinstance(index, VectorIndex):
            scores, ids = index.search(vector[None], k)
            held = ids[0] >= 0
            return scores[0][held], ids[0][held].tolist()
        samples, rows = self._library.vectors_of(index.near(vector, _SHORTLIST * k))
        if not samples:
            return np.zeros(0, np.float32), []
        scores = rows @ vector
        best = np.argsort(-scores, kind="stable")[:k]
        return scores[best], [samples[place] for place in best]

    def _catch_up(self) -> None:
        rows = self._library.vectors(start=self._next)
        for chunk in _chunks(rows):
            ids = np.array([sample for sample, _ in chunk], np.int64)
            vectors = np.stack([vector for _, vector in chunk])
            if self._index is None:
                self._index = VectorIndex(vectors.shape[1])
            self._index.add(ids, vectors)
            self._next = int(ids[-1]) + 1
        if self._index is not None and self._index.dim > COMPONENTS and len(self._index) >= self._outgrown():
            self._index = self._compacted(len(self._index))
        deletions = self._library.deletions()
        if deletions != self._deletions and self._index is not None:
            self._index.remove(np.array(self._library.deleted(), np.int64))
            self._deletions = deletions

    def _outgrown(self) -> int:
        return max(_EXACT, _OUTGROWN * self._learnt_of)

    def _compacted(self, count: int) -> CompactIndex:
        """All vectors by components learnt of a sample that is spread evenly over them."""
        step = -(-count // _SAMPLE)
        every = islice((vector for _, vector in self._library.vectors()), 0, None, step)
        index = CompactIndex(np.stack(list(every)))
        for chunk in _chunks(self._library.vectors()):
            last = chunk[-1][0]
            index.add(np.array([sample for sample, _ in chunk], np.int64), np.stack([vector for _, vector in chunk]))
            self._next = max(self._next, last + 1)
        self._learnt_of = count
        return index

    def _hits(self, scores: NDArray[np.float32], samples: list[int]) -> list[QueryHit]:
        # Owners are looked up now rather than kept: a repair may move any image to another cluster.
        tallies: dict[int, _Tally] = {}
        for score, sample, owner in zip(scores.tolist(), samples, self._library.owners(samples), strict=True):
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
