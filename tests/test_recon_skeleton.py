from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from recon.skeleton import join_keypoints


def line(start: list[float], end: list[float], count: int = 200) -> np.ndarray:
    return np.linspace(start, end, count).astype(np.float32)


def pairs(edges: np.ndarray) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for i, j in edges}


def test_neighbours_along_a_line_are_joined() -> None:
    surface = line([0, 0, 0], [1, 0, 0])
    points = np.array([[0.9, 0, 0], [0.1, 0, 0], [0.5, 0, 0]], np.float32)
    assert pairs(join_keypoints(points, surface)) == {(0, 2), (1, 2)}


def test_what_is_near_through_the_air_is_not_joined() -> None:
    """A hairpin: its ends are close, but far from each other along it."""
    surface = np.concatenate(
        [line([0, 0, 0], [1, 0, 0]), line([1, 0, 0], [1, 0.3, 0], 60), line([1, 0.3, 0], [0, 0.3, 0])]
    )
    points = np.array([[0, 0, 0], [0.5, 0, 0], [1, 0.15, 0], [0.5, 0.3, 0], [0, 0.3, 0]], np.float32)
    assert pairs(join_keypoints(points, surface)) == {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_parts_that_do_not_hang_together_are_joined_where_they_are_closest() -> None:
    surface = np.concatenate([line([0, 0, 0], [0.4, 0, 0]), line([0.6, 0, 0], [1, 0, 0])])
    points = np.array([[0, 0, 0], [0.4, 0, 0], [0.6, 0, 0], [1, 0, 0]], np.float32)
    assert pairs(join_keypoints(points, surface)) == {(0, 1), (1, 2), (2, 3)}


def test_every_keypoint_hangs_together_with_all_others() -> None:
    random = np.random.default_rng(0)
    surface = random.normal(size=(3000, 3)).astype(np.float32)
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    points = surface[:30]
    edges = join_keypoints(points, surface)
    graph = coo_matrix((np.ones(len(edges)), edges.T), (30, 30))
    assert connected_components(graph, directed=False)[0] == 1
    assert (edges[:, 0] < edges[:, 1]).all() and len(edges) < 90
    assert np.array_equal(edges, join_keypoints(points, surface))
