"""The FAISS index of a state directory: a cache of the store, rebuilt whenever it can't be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN

from index.codec import decode_vector
from index.faissfile import sweep
from index.heap import release_free_memory
from index.kinds import SHORTLIST, Sizes
from index.regrowth import Regrowth, catch_up
from index.store import Store
from index.tables import VECTORS
from index.vectors import VectorIndex
from ops.errors import StateError
from ops.faults import reach
from ops.logs import get_logger

_log = get_logger("index")
FILE = "vectors.faiss"
_PROBES = 16
_NEIGHBOURS = 10
_STEP = 4096  # vectors that a batch adds to a new index
_OUTGROWN = 4  # times as many vectors as an index was trained for, and it is trained anew
_SETTLED = 1.1  # the same after a drift, so that one drift does not train it again and again
_DRIFT_DELTA = 1e-5  # ADWIN's bound on false alarms
_UNSAVED = 0.05  # share of the vectors that may be missing from the file: writing it costs as much as they do


class VectorCache:
    """Descriptors of all stored images in FAISS, in step with the store.

    The type of index follows their number. An index that is of another type than suits them, was trained for far fewer,
    or with descriptors that those of today have drifted away from (their distance from the middles of its lists has
    changed, by ADWIN: Bifet and Gavalda, SDM 2007) is replaced: each batch takes a step of training and filling the
    new one.

    Attributes:
        recall: share of a sample of stored images that a search for their own descriptors finds, as of the last probe.
    """

    def __init__(self, folder: Path, fingerprint: str, dim: int, store: Store, sizes: Sizes | None = None) -> None:
        self._store = store
        self._path = folder / FILE
        self._fingerprint = fingerprint
        self._sizes = sizes or Sizes()
        self._regrowth: Regrowth | None = None
        self._misfits: Any = _detector()
        self._drifted = False
        self._saved = 0
        sweep(self._path)  # the writer's lock says that nobody is at it
        self._index = self._loaded(dim)
        self.recall = self.probe()

    def _loaded(self, dim: int) -> VectorIndex:
        stored = self._stored()
        try:
            index = VectorIndex.load(self._path, fingerprint=self._fingerprint)
            self._saved = len(index)
        except StateError as error:
            if stored:
                _log.warning("rebuilding the FAISS index of %d vectors: %s", stored, error)
            return self._rebuilt(dim, stored)
        return self._caught_up(index, stored)

    def _stored(self) -> int:
        with self._store.read() as txn:
            return txn.count(VECTORS)

    def _rebuilt(self, dim: int, stored: int) -> VectorIndex:
        self._saved = 0
        return Regrowth(self._store, dim, self._sizes.kind(stored)).finish()

    def _caught_up(self, index: VectorIndex, stored: int) -> VectorIndex:
        """The index with what it lacks, or a new one if it holds what is not stored, such as deleted images."""
        catch_up(index, self._store)
        if len(index) != stored:
            _log.warning("rebuilding the FAISS index: it holds %d vectors, the store %d", len(index), stored)
            index = self._rebuilt(index.dim, stored)
        return index

    def add(self, ids: list[int], vectors: list[NDArray[np.float32]], stored: int) -> None:
        """Adds what has just been committed, and what an earlier call failed to add; goes on with a new index.

        Args:
            ids: of the images, which follow on all others.
            vectors: theirs.
            stored: images in the store with them.
        """
        if ids and len(self._index) + len(ids) == stored and self._index.last_id < ids[0]:
            reach("faiss.before")
            self._notice(self._index.add(np.asarray(ids, np.int64), np.stack(vectors)))
            reach("faiss.after")
        elif len(self._index) != stored:
            self._index = self._caught_up(self._index, stored)
        self._grow(stored)

    def _notice(self, misfit: float) -> None:
        if self._index.kind != "flat":
            self._misfits.update(misfit)
            self._drifted = self._drifted or self._misfits.drift_detected

    def _grow(self, stored: int) -> None:
        """Takes a step of a new index, if there is to be one, and takes it into use once it is whole."""
        if self._regrowth is None:
            wanted, index = self._sizes.kind(stored), self._index
            if not self._outgrown(stored) and wanted == index.kind:
                return
            why = "drift" if self._drifted and wanted == index.kind else f"{stored} vectors"
            _log.info("a new FAISS index, %s after %s, because of %s", wanted, index.kind, why)
            self._regrowth = Regrowth(self._store, index.dim, wanted, _STEP)
        if (grown := self._regrowth.step()) is None:
            return
        self._regrowth, self._drifted = None, False
        self._misfits = _detector()
        if len(grown) == stored:
            self._index, self._saved = grown, 0
        else:
            _log.warning("dropping a new FAISS index: it holds %d vectors, the store %d", len(grown), stored)
        del grown
        release_free_memory()  # of the index before, of what was sampled and of what training took

    def _outgrown(self, stored: int) -> bool:
        if self._index.kind == "flat":
            return False
        return stored >= (_SETTLED if self._drifted else _OUTGROWN) * self._index.trained

    def remove(self, ids: list[int]) -> None:
        """Removes what has just been deleted from the store."""
        gone = np.asarray(ids, np.int64)
        self._index.remove(gone)
        if self._regrowth is not None:
            self._regrowth.remove(gone)
        self._saved = min(self._saved, len(self._index))
        if len(self._index) != (stored := self._stored()):
            self._index = self._caught_up(self._index, stored)

    def save_if_due(self) -> bool:
        """Probes the index, and saves it unless the file lacks little; False if that failed."""
        if self._saved > 0 and len(self._index) - self._saved < _UNSAVED * len(self._index):
            self.recall = self.probe()
            return True
        return self.save()

    def save(self) -> bool:
        """Writes the index beside the store, atomically; False if that failed: being a cache, it holds up nothing."""
        self.recall = self.probe()
        try:
            self._index.save(self._path, fingerprint=self._fingerprint)
        except StateError as error:
            _log.warning("%s; the next start builds what is missing anew", error)
            return False
        self._saved = len(self._index)
        return True

    def probe(self) -> float:
        """Recall at `_NEIGHBOURS` of images spread evenly over the store, each searched for by its own descriptor."""
        with self._store.read() as txn:
            stored = txn.count(VECTORS)
            ids = np.unique(np.linspace(0, stored - 1, min(stored, _PROBES)).round().astype(np.int64))
            raw = [txn.get(VECTORS, int(number)) for number in ids]
        if not stored:
            return 1.0
        queries = np.stack([decode_vector(one) if one else np.zeros(self._index.dim, np.float32) for one in raw])
        wanted = _NEIGHBOURS if self._index.exact else SHORTLIST * _NEIGHBOURS
        _, found = self._index.search(queries, wanted)
        return float(np.mean((found == ids[:, None]).any(axis=1)))

    def size_bytes(self) -> int:
        """Memory that the index takes for what it holds."""
        return self._index.size_bytes()

    @property
    def kind(self) -> str:
        """Type of the index in use."""
        return self._index.kind

    def __len__(self) -> int:
        return len(self._index)


def _detector() -> Any:
    made: Any = ADWIN  # river leaves it without annotations
    return made(delta=_DRIFT_DELTA)
