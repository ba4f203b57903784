"""Types of FAISS index, and which of them suits how many vectors.

``flat`` compares with every vector. ``ivf`` keeps whole vectors in lists around middles and goes through the nearest
lists. ``sq`` keeps in such lists the vectors' main components, a byte each: so many of them that the nearest neighbours
are among those that seem nearest, as measured on the sample it learns from. What it finds has to be compared by whole
vectors. On 6,000 real descriptors of 1,024 numbers (furniture, ETH-80 and Caltech-101) the 150 that 64 components find
hold 98.2 % of the 50 truly nearest and 99.9 % of the 10 nearest.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from index.kmeans import finished, two_level_steps

Kind = Literal["flat", "ivf", "sq"]
SHORTLIST = 3
"""Vectors to be looked at for each that is wanted, where components alone tell which seem near."""

_COMPONENTS = (64, 128, 256, 512)
_ENOUGH = 0.98  # share of true neighbours that the components have to find in the sample
_NEIGHBOURS, _QUERIES, _MEASURED = 10, 128, 8192
_LISTS = 2.0  # times the square root of the vectors
_PROBED, _PROBED_SHARE = 16, 64  # lists gone through: so many, or one in so many
_UPPER = 16  # middles of the upper level, below which the nearest lists are looked for
_SAMPLE, _ROWS_OF_A_LIST = 40_000, 16
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sizes:
    """From how many vectors on which type is used.

    Attributes:
        ivf: lists of whole vectors.
        sq: lists of main components.
    """

    ivf: int = 20_000
    sq: int = 200_000

    def kind(self, count: int) -> Kind:
        """The type for so many vectors."""
        if count >= self.sq:
            return "sq"
        return "ivf" if count >= self.ivf else "flat"


def sample_size(count: int) -> int:
    """Vectors that an index for so many is trained with."""
    return min(count, _SAMPLE, max(2500, _ROWS_OF_A_LIST * _lists(count)))


def make_flat(dim: int) -> Any:
    """An index that compares with every vector."""
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dim))


def trained(kind: Kind, sample: FloatArray, count: int) -> Any:
    """An empty index for so many vectors, trained with a sample ``(N, D)`` of them."""
    return finished(training(kind, sample, count))


def training(kind: Kind, sample: FloatArray, count: int) -> Generator[None, None, Any]:
    """As `trained`, handing back control between short steps."""
    sample = np.ascontiguousarray(sample, np.float32)
    if kind == "flat":
        return make_flat(sample.shape[1])
    if kind == "ivf":
        return (yield from _ivf(sample, count))
    return (yield from _sq(sample, count))


def _ivf(sample: FloatArray, count: int) -> Generator[None, None, Any]:
    dim = sample.shape[1]
    middles = _middles(*(yield from two_level_steps(sample, _lists(count), spherical=True)), faiss.METRIC_INNER_PRODUCT)
    index: Any = faiss.IndexIVFFlat(middles, dim, int(middles.ntotal), faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    return _owned(index, middles)


def _sq(sample: FloatArray, count: int) -> Generator[None, None, Any]:
    turn: Any = faiss.PCAMatrix(sample.shape[1], _components(sample))
    turn.train(_spread(sample, _MEASURED))
    yield
    # Of unit vectors the nearest by distance are the nearest by angle, and distances survive that the mean is taken
    # out, as inner products do not.
    rows = turn.apply(sample)
    middles = _middles(*(yield from two_level_steps(rows, _lists(count), spherical=False)), faiss.METRIC_L2)
    coded: Any = faiss.IndexIVFScalarQuantizer(
        middles, rows.shape[1], int(middles.ntotal), faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2
    )
    coded.train(rows)
    return faiss.IndexPreTransform(turn, _owned(coded, middles))


def _middles(tops: FloatArray, parts: list[FloatArray], measure: int) -> Any:
    """The middles of lists, by the nearest of the few above them: to compare with them costs their number's root."""
    upper: Any = faiss.IndexFlat(tops.shape[1], measure)
    upper.add(tops)
    middles: Any = faiss.IndexIVFFlat(upper, tops.shape[1], len(tops), measure)
    middles.is_trained = True
    middles.add(np.concatenate(parts))
    middles.make_direct_map()  # what is kept in a list is kept as its difference from the middle
    middles.nprobe = min(_UPPER, len(tops))
    middles.own_fields = True
    upper.this.disown()
    return middles


def _owned(index: Any, middles: Any) -> Any:
    index.nprobe = min(index.nlist, max(_PROBED, index.nlist // _PROBED_SHARE))
    index.own_fields = True  # FAISS frees the middles with the index, as it does with one that was read from a file
    middles.this.disown()
    return index


def _lists(count: int) -> int:
    return max(1, int(_LISTS * np.sqrt(count)))


def _components(sample: FloatArray) -> int:
    """The fewest main components that find the true neighbours of some of the sample."""
    rows = _spread(sample, _MEASURED)
    queries = _spread(rows, _QUERIES)
    wanted = _nearest(rows, queries, _NEIGHBOURS)
    for count in (count for count in _COMPONENTS if count < sample.shape[1]):
        turn: Any = faiss.PCAMatrix(sample.shape[1], count)
        turn.train(rows)
        found = _nearest(turn.apply(rows), turn.apply(queries), SHORTLIST * _NEIGHBOURS)
        shares = [len(np.intersect1d(one, other)) / len(one) for one, other in zip(wanted, found, strict=True)]
        if np.mean(shares) >= _ENOUGH:
            return count
    return int(sample.shape[1])


def _nearest(rows: FloatArray, queries: FloatArray, count: int) -> NDArray[np.int64]:
    index: Any = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    found: NDArray[np.int64] = index.search(queries, min(count, len(rows)))[1]
    return found


def _spread(rows: FloatArray, count: int) -> FloatArray:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return np.ascontiguousarray(rows[places])


def ids_of(index: Any) -> NDArray[np.int64]:
    """Ids of the vectors that an index holds, in no order."""
    if isinstance(index, faiss.IndexIDMap2):
        return np.asarray(faiss.vector_to_array(index.id_map), np.int64)
    lists: Any = faiss.extract_index_ivf(index).invlists
    parts = [
        faiss.rev_swig_ptr(lists.get_ids(number), size).copy()
        for number in range(lists.nlist)
        if (size := lists.list_size(number))
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def add_to(index: Any, ids: NDArray[np.int64], vectors: FloatArray) -> float:
    """Adds vectors ``(N, D)``, N at least 1, to an index.

    Returns:
        Mean distance from the middles of their lists, by the index's measure; 0 without lists. The list of a vector is
        looked for once for both.
    """
    if isinstance(index, faiss.IndexIDMap2):
        index.add_with_ids(vectors, ids)
        return 0.0
    rows, turned = vectors, isinstance(index, faiss.IndexPreTransform)
    if turned:
        chain: Any = index.chain
        rows = faiss.downcast_VectorTransform(chain.at(0)).apply(vectors)
    lists: Any = faiss.extract_index_ivf(index)
    near, places = lists.quantizer.search(rows, 1)  # by FAISS: NumPy's threads would wait for a busy core in readers
    lists.add_core(len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(ids), faiss.swig_ptr(places))
    if turned:
        index.ntotal = lists.ntotal
    found = float(near.mean())
    return found if turned else 1.0 - found  # distances, or inner products
