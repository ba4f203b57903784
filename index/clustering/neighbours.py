"""Similarity by neighbourhood: where short random walks over nearest neighbours lead.

Photos of one object from all sides are no ball in descriptor space but a chain of views, each near the next. Two of
them may be as far apart as photos of two objects, but walks from view to view lead from both to the same places. What
two objects have in common only now and then is left out: an edge weighs by how many neighbours its ends share (as in
Jarvis & Patrick, "Clustering using a similarity measure based on shared near neighbors", IEEE Transactions on Computers
C-22(11), 1973). Walks of a few steps are diffusion maps' (Coifman & Lafon, "Diffusion maps", Applied and Computational
Harmonic Analysis 21(1), 2006), compared entry by entry rather than through eigenvectors, so that they stay sparse.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_matrix

NEIGHBOURS = 10
STEPS = 5
SHARPNESS = 2
"""Power of a similarity that weighs its edge."""

_TRACE = 1e-3  # share of the walkers below which a place is left out

Sparse: TypeAlias = Any
"""A scipy.sparse.csr_matrix; SciPy ships no types."""


def walk_profiles(rows: NDArray[np.float32], counts: NDArray[np.int64], floor: float) -> Sparse:
    """Where walks from each row end.

    Args:
        rows: ``(N, r)`` unit vectors.
        counts: ``(N,)`` images that each stands for.
        floor: similarity that neighbours need at least.

    Returns:
        ``(N, N)`` float64 rows of unit length; the dot product of two is 1 where walks end alike, 0 where nowhere both.
    """
    steps = _transitions(_edges(rows, floor), counts)
    ends = steps
    for _ in range(STEPS - 1):
        ends = _without_traces(ends @ steps)
    length = np.sqrt(np.asarray(ends.multiply(ends).sum(axis=1)).ravel())
    return csr_matrix(sparse.diags(1 / length) @ ends)


def _edges(rows: NDArray[np.float32], floor: float) -> Sparse:
    """Symmetric weights ``(N, N)`` of the edges between nearest neighbours."""
    n = len(rows)
    scores, found = _nearest(rows, min(NEIGHBOURS + 1, n))
    start = np.repeat(np.arange(n), found.shape[1])
    end, score = found.ravel(), np.asarray(scores, np.float64).ravel()
    real = (end != start) & (score >= max(floor, 1e-6))
    start, end, score = start[real], end[real], score[real]
    if not len(start):
        return csr_matrix((n, n))
    near = csr_matrix((np.ones(len(start)), (start, end)), shape=(n, n)) + sparse.identity(n, format="csr")
    shared = near @ near.T
    weights = csr_matrix((score**SHARPNESS / (NEIGHBOURS + 1), (start, end)), shape=(n, n)).multiply(shared)
    return csr_matrix(weights.maximum(weights.T))


def _transitions(edges: Sparse, counts: NDArray[np.int64]) -> Sparse:
    """Rows of odds; a walker stays as if an edge like the heaviest of all led back to each image of its row.

    They are its nearest neighbours, though they share a row; no more count than an image has neighbours.
    """
    stay = (float(edges.max()) or 1.0) * np.minimum(counts, NEIGHBOURS + 1)
    weights = edges + sparse.diags(stay.astype(np.float64), format="csr")
    return csr_matrix(sparse.diags(1 / np.asarray(weights.sum(axis=1)).ravel()) @ weights)


def _without_traces(ends: Sparse) -> Sparse:
    kept = csr_matrix(ends)
    kept.data[kept.data < _TRACE] = 0
    kept.eliminate_zeros()
    return kept


def _nearest(rows: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarities and numbers ``(N, count)`` of the rows nearest to each, by inner product."""
    index: Any = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    scores, found = index.search(rows, count)
    return scores, found
