"""Average linkage by reciprocal neighbours against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage
from sklearn.metrics import adjusted_rand_score

from index.clustering import linkage
from index.clustering.linkage import average_linkage, gather, weighted_sums


def group(rows: np.ndarray, weights: np.ndarray, threshold: float) -> np.ndarray:
    return average_linkage(weighted_sums(sparse.csr_matrix(rows), weights), weights, threshold)


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    rows = np.abs(np.random.default_rng(seed).normal(size=(n, dim)))  # walks have no negative shares
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def reference(rows: np.ndarray, threshold: float) -> np.ndarray:
    similarity = (rows.astype(float) @ rows.astype(float).T)[np.triu_indices(len(rows), 1)]
    distance = np.maximum(1 - similarity, 0)  # of equal rows it may round to less
    return fcluster(scipy_linkage(distance, "average"), 1 - threshold, "distance")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 10_000), st.floats(0.3, 0.98))
def test_is_average_linkage(n: int, dim: int, seed: int, threshold: float) -> None:
    rows = unit(n, dim, seed)
    found = group(rows, np.ones(n, np.int64), threshold)
    assert adjusted_rand_score(reference(rows, threshold), found) == 1.0


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 25), st.integers(0, 10_000))
def test_a_weight_is_that_many_copies(n: int, seed: int) -> None:
    rows = unit(n, 4, seed)
    weights = np.random.default_rng(seed).integers(1, 5, n)
    copies = group(np.repeat(rows, weights, axis=0), np.ones(weights.sum(), np.int64), 0.8)
    weighted = group(rows, weights, 0.8)
    assert adjusted_rand_score(copies, np.repeat(weighted, weights)) == 1.0


def test_order_does_not_matter() -> None:
    rows = unit(200, 8, 5)
    order = np.random.default_rng(1).permutation(200)
    ones = np.ones(200, np.int64)
    assert adjusted_rand_score(group(rows, ones, 0.8)[order], group(rows[order], ones, 0.8)) == 1


def test_ties_end() -> None:
    same = np.tile(unit(1, 4, 0), (9, 1))
    assert group(same, np.ones(9, np.int64), 0.5).tolist() == [0] * 9


def test_nothing_and_one() -> None:
    assert group(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 0.5).tolist() == []
    assert group(unit(1, 3, 0), np.ones(1, np.int64), 0.5).tolist() == [0]


@pytest.mark.parametrize("groups", [[0, 0, 1, 2, 2], [0, 1, 2, 3, 4], [0, 0, 0, 0, 0]])
def test_sums_of_groups_are_sums_over_their_pairs(groups: list[int]) -> None:
    rows, weights = unit(5, 3, 4), np.array([1, 2, 1, 3, 1])
    sums = gather(weighted_sums(sparse.csr_matrix(rows), weights), np.array(groups)).toarray()
    similarity = (rows.astype(float) @ rows.T) * weights[:, None] * weights
    member = np.eye(max(groups) + 1)[groups]
    expected = member.T @ similarity @ member
    np.fill_diagonal(expected, 0)
    assert np.allclose(sums, expected)


def test_traces_of_similarity_are_left_out() -> None:
    far = np.array([[1.0, 0.0], [linkage._TRACE / 2, 1.0]])
    assert weighted_sums(sparse.csr_matrix(far), np.ones(2, np.int64)).nnz == 0


def test_the_first_of_the_greatest_is_chosen_in_each_stretch() -> None:
    values = np.array([1.0, 3.0, 3.0, 2.0, 0.5, 5.0, 1.0, 1.0])
    assert linkage._first_greatest(values, np.array([0, 3, 6])).tolist() == [1, 5, 6]
    assert linkage._first_greatest(np.zeros(0), np.zeros(0, np.int64)).tolist() == []
