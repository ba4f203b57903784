"""Which keypoints are joined: neighbours along the surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

_NEIGHBOURS = 8
_APART = 10.0  # added to the distance of parts that do not hang together; objects are 1 long


def join_keypoints(points: NDArray[np.float32], surface: NDArray[np.float32]) -> NDArray[np.int32]:
    """Edges ``(E, 2)`` of the relative neighbourhood graph along the surface, lower index first, in order.

    Two keypoints are joined if no third is nearer to both than they are to each other (Toussaint, Pattern Recognition
    1980). The graph holds the minimum spanning tree, so every keypoint is joined to the others.

    Args:
        points: ``(K, 3)`` keypoints.
        surface: ``(S, 3)`` points spread over the surface.
    """
    distance = _along_surface(points, surface)
    detour = np.maximum(distance[:, None, :], distance[None, :, :])  # by way of each other keypoint
    detour[np.arange(len(points)), :, np.arange(len(points))] = np.inf
    detour[:, np.arange(len(points)), np.arange(len(points))] = np.inf
    joined = np.triu(distance <= detour.min(-1, initial=np.inf), 1)
    return np.argwhere(joined).astype(np.int32)


def _along_surface(points: NDArray[np.float32], surface: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances ``(K, K)`` over steps between neighbouring points of the surface; through the air between parts."""
    tree = cKDTree(surface)
    length, other = tree.query(surface, _NEIGHBOURS + 1)
    rows = np.repeat(np.arange(len(surface)), _NEIGHBOURS)
    steps = np.maximum(length[:, 1:].ravel(), 1e-9)  # a step of 0 would be none
    graph = csr_matrix((steps, (rows, other[:, 1:].ravel())), (len(surface), len(surface)))
    starts = tree.query(points)[1]
    along = dijkstra(graph, directed=False, indices=starts)[:, starts]
    straight = cdist(points, points)
    found: NDArray[np.float64] = np.maximum(np.where(np.isfinite(along), along, straight + _APART), straight)
    return (found + found.T) / 2
