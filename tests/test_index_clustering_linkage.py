"""Average linkage by reciprocal neighbours against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage
from sklearn.metrics import adjusted_rand_score

from index.clustering import linkage
from index.clustering.linkage import average_linkage


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def reference(rows: np.ndarray, threshold: float) -> np.ndarray:
    distance = 1 - (rows.astype(float) @ rows.astype(float).T)[np.triu_indices(len(rows), 1)]
    return fcluster(scipy_linkage(distance, "average"), 1 - threshold, "distance")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(2, 60), st.integers(2, 6), st.integers(0, 10_000), st.floats(-0.2, 0.9))
def test_is_average_linkage(n: int, dim: int, seed: int, threshold: float) -> None:
    rows = unit(n, dim, seed)
    found = average_linkage(rows, np.ones(n, np.int64), threshold)
    assert adjusted_rand_score(reference(rows, threshold), found) == 1.0


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 25), st.integers(0, 10_000))
def test_a_weight_is_that_many_copies(n: int, seed: int) -> None:
    rows = unit(n, 4, seed)
    weights = np.random.default_rng(seed).integers(1, 5, n)
    copies = average_linkage(np.repeat(rows, weights, axis=0), np.ones(weights.sum(), np.int64), 0.3)
    weighted = average_linkage(rows, weights, 0.3)
    assert adjusted_rand_score(copies, np.repeat(weighted, weights)) == 1.0


def test_order_does_not_matter() -> None:
    rows = unit(200, 8, 5)
    order = np.random.default_rng(1).permutation(200)
    ones = np.ones(200, np.int64)
    assert adjusted_rand_score(average_linkage(rows, ones, 0.3)[order], average_linkage(rows[order], ones, 0.3)) == 1


def test_ties_end() -> None:
    same = np.tile(unit(1, 4, 0), (9, 1))
    assert average_linkage(same, np.ones(9, np.int64), 0.5).tolist() == [0] * 9


def test_nothing_and_one() -> None:
    assert average_linkage(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 0.5).tolist() == []
    assert average_linkage(unit(1, 3, 0), np.ones(1, np.int64), 0.5).tolist() == [0]


def test_inverted_file_finds_well_separated_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "EXACT_LIMIT", 100)
    truth = np.repeat(np.arange(20), 40)
    rows = (np.eye(20, 32)[truth] + np.random.default_rng(0).normal(0, 0.05, (800, 32))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = average_linkage(rows, np.ones(800, np.int64), 0.5)
    assert adjusted_rand_score(truth, found) > 0.99
