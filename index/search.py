"""Which clusters a descriptor is near: the vector side of every query."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from index.cache import FILE
from index.kinds import SHORTLIST
from index.library import Library
from index.regrowth import Regrowth
from index.summaries import ClusterSummary, QueryHit
from index.tables import VECTORS
from index.tail import Tail
from index.threads import one_thread
from index.vectors import VectorIndex
from ops.errors import ConfigError, StateError
from ops.logs import get_logger

_log = get_logger("index")
_EXACT = 4000  # so many vectors are few enough to be kept whole
_STEP = 1024  # vectors that a query adds to a new index at once
_OUTGROWN = 5  # times as many vectors as the components were learnt of, and they are learnt anew; the writer goes first


@dataclass(slots=True)
class _Tally:
    owner: ClusterSummary
    score: float
    nearest: int
    votes: int = 0


class SimilaritySearch:
    """Nearest clusters by the descriptors of their images, always up to date with the library.

    Keeps a vector index of its own, and beside it the newest descriptors, which it takes in once there are many. Of a
    library of more than a few images the index holds only the descriptors' main components: those that seem nearest by
    them are compared by the whole descriptors, read from the store. If the writer has saved such an index, it begins
    with that one. When the library has outgrown its index, it takes over what the writer has saved since, or each query
    takes a short step of making a new one. A query takes one thread: looking for a single vector, two are no faster,
    and wait for each other while the daemon has the other cores. Safe to call from several threads.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._index: VectorIndex | None = None
        self._tail = Tail(0)
        self._deletions = 0
        self._regrowth: Regrowth | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._index) + len(self._tail) if self._index is not None else 0

    def query(self, vector: NDArray[np.float32], k: int = 50) -> list[QueryHit]:
        """Clusters of the ``k`` nearest images, by best cosine similarity, then by votes.

        Images in no cluster are passed over, so there may be fewer votes than ``k``.

        Args:
            vector: ``(D,)`` unit descriptor of the library's backbone.
            k: images that vote.

        Raises:
            ConfigError: the descriptor is not as long as the library's.
        """
        return self._hits(*self.neighbours(vector, k))

    def neighbours(self, vector: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], list[int]]:
        """The images nearest to a descriptor, best first: cosine similarities and ids.

        Args:
            vector: ``(D,)`` unit descriptor of the library's backbone.
            k: images wanted; there are fewer if the library holds fewer.

        Raises:
            ConfigError: the descriptor is not as long as the library's.
        """
        with self._lock, one_thread():
            self._catch_up()
            if self._index is None:
                return np.zeros(0, np.float32), []
            if len(vector) != self._index.dim:
                raise ConfigError(f"the library's descriptors have {self._index.dim} numbers, not {len(vector)}")
            return self._nearest(self._index, np.asarray(vector, np.float32), k)

    def bare(self, vector: NDArray[np.float32], k: int, *, one: bool = True) -> None:
        """Looks in the vector index alone, as a query for ``k`` images does: what a query is measured against.

        Args:
            vector: ``(D,)`` unit descriptor.
            k: images.
            one: with one thread, as a query does; else with as many as FAISS takes.
        """
        with self._lock, one_thread() if one else nullcontext():
            if self._index is not None:
                self._index.search(vector[None], k if self._index.exact else SHORTLIST * k)

    def _nearest(
        self, index: VectorIndex, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], list[int]]:
        scores, samples = self._indexed(index, vector, k)
        if len(self._tail):
            newest, theirs = self._tail.scores(vector)
            scores, samples = np.concatenate([scores, newest]), samples + theirs
        best = np.argsort(-scores, kind="stable")[:k]
        return scores[best], [samples[place] for place in best]

    def _indexed(
        self, index: VectorIndex, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], list[int]]:
        """Those of the index that may be among the nearest, by their whole descriptors."""
        scores, ids = index.search(vector[None], k if index.exact else SHORTLIST * k)
        held = ids[0] >= 0
        if index.exact:
            return scores[0][held], ids[0][held].tolist()
        samples, rows = self._library.vectors_of(ids[0][held].tolist())
        return (rows @ vector if samples else np.zeros(0, np.float32)), samples

    def _catch_up(self) -> None:
        index = self._first() if self._index is None else self._grown(self._index)
        if index is None:
            return
        if index is not self._index:
            self._index, self._tail = index, Tail(index.dim)
        self._tail.follow(index, self._library.store)
        deletions = self._library.deletions()
        if deletions != self._deletions:
            gone = np.array(self._library.deleted(), np.int64)
            index.remove(gone)
            self._tail.remove(gone)
            self._deletions = deletions

    def _first(self) -> VectorIndex | None:
        """The index that the writer saved, if it is compact, else one of what is stored now; None of nothing."""
        store = self._library.store
        dim = next((len(vector) for _, vector in self._library.vectors()), 0)
        if not dim:
            return None
        if (saved := self._saved()) is not None:
            return saved
        with store.read() as txn:
            few = txn.count(VECTORS) < _EXACT
        return Regrowth(store, dim, "flat" if few else "sq").finish()

    def _saved(self) -> VectorIndex | None:
        """The index that the writer saved, if it is compact."""
        fingerprint = self._library.status().fingerprint
        try:
            return VectorIndex.load(self._library.store.folder / FILE, fingerprint=fingerprint, kind="sq")
        except StateError as error:
            _log.debug("making an index for queries: %s", error)
            return None

    def _grown(self, index: VectorIndex) -> VectorIndex:
        """The index to go on with: a new one once it is whole."""
        if self._regrowth is None:
            if len(index) < max(_EXACT, _OUTGROWN * index.trained):
                return index
            if (saved := self._saved()) is not None and saved.trained > index.trained:
                self._deletions = -1  # it may hold what has been deleted since
                return saved
            self._regrowth = Regrowth(self._library.store, index.dim, "sq", _STEP)
        grown = self._regrowth.step()
        if grown is None:
            return index
        self._regrowth, self._deletions = None, -1
        return grown

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
