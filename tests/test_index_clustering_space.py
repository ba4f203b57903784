"""Whitening and the level of chance."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.space import MAX_RANK, VECTORS_PER_DIMENSION, Space, chance_level, fit_space
from tests.test_index_clustering_base import blobs


def ones(rows: np.ndarray) -> np.ndarray:
    return np.ones(len(rows), np.int64)


def fit_even(vectors: np.ndarray) -> Space | None:
    return fit_space(vectors, ones(vectors))


def anisotropic(n: int = 400, dim: int = 20) -> np.ndarray:
    random = np.random.default_rng(0)
    return 5.0 + random.normal(0, 1, (n, dim)) * np.linspace(3.0, 0.5, dim)


@pytest.mark.parametrize("groups", [4, 10, 20])
def test_chance_is_that_of_unrelated_pairs_however_few_the_clusters(groups: int) -> None:
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(groups), 400 // groups)
    rows = np.eye(groups, 60)[truth] + random.normal(0, 0.1, (len(truth), 60))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    unrelated = (rows @ rows.T)[truth[:, None] != truth[None]]
    chance, deviation = chance_level(rows, ones(rows))
    assert abs(chance - unrelated.mean()) < 0.8 * unrelated.std()
    assert 0.5 < deviation / unrelated.std() < 1.5


def test_chance_of_many_rows_is_told_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(900, 30))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whole = chance_level(rows, ones(rows))
    monkeypatch.setattr("index.clustering.space.SAMPLE", 300)
    assert chance_level(rows, ones(rows)) == pytest.approx(whole, abs=0.01) and chance_level(rows, ones(rows)) != whole


def test_whitening_takes_away_offset_and_dominant_directions() -> None:
    vectors = anisotropic()
    space = fit_even(vectors)
    assert space is not None
    rows = space.apply(vectors)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0)
    assert abs(space.chance) < 0.02
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert chance_level(unit, ones(unit))[0] > 0.8  # a cosine would call all of them alike
    spread = rows.var(axis=0)
    before = (vectors - vectors.mean(axis=0)).var(axis=0)
    assert spread.max() / spread.min() < before.max() / before.min() / 4


def test_threshold_counts_deviations_from_chance() -> None:
    space = fit_even(anisotropic())
    assert space is not None
    assert space.threshold(2.0) == pytest.approx(space.chance + 2 * space.deviation)


def test_rank_grows_with_the_evidence() -> None:
    random = np.random.default_rng(0)
    few, many = fit_even(random.normal(size=(40, 200))), fit_even(random.normal(size=(900, 200)))
    assert few is not None and few.projection.shape == (200, 40 // VECTORS_PER_DIMENSION)
    assert many is not None and many.projection.shape == (200, MAX_RANK)


def test_both_gram_matrices_give_the_same_space() -> None:
    vectors, _ = blobs(dim=24)
    wide = np.pad(vectors, ((0, 0), (0, 400)))  # more dimensions than vectors
    narrow_space, wide_space = fit_even(vectors), fit_even(wide)
    assert narrow_space is not None and wide_space is not None
    narrow, other = narrow_space.apply(vectors), wide_space.apply(wide)
    assert np.allclose(narrow @ narrow.T, other @ other.T, atol=1e-4)


def test_vectors_that_do_not_vary_have_no_space() -> None:
    assert fit_even(np.ones((30, 8))) is None


def test_columns_that_came_after_the_fit_are_left_out() -> None:
    vectors = anisotropic()
    space = fit_even(vectors)
    assert space is not None
    assert np.array_equal(space.apply(np.pad(vectors, ((0, 0), (0, 3)))), space.apply(vectors))


def test_a_weight_is_that_many_copies() -> None:
    vectors, _ = blobs(each=60)
    weights = np.random.default_rng(0).integers(1, 4, len(vectors))
    weighted, copied = fit_space(vectors, weights), fit_even(np.repeat(vectors, weights, axis=0))
    assert weighted is not None and copied is not None
    assert np.allclose(weighted.mean, copied.mean, atol=1e-6)
    a, b = weighted.apply(vectors), copied.apply(vectors)
    assert np.allclose(a @ a.T, b @ b.T, atol=1e-4)
    assert weighted.threshold(1.0) == pytest.approx(copied.threshold(1.0), abs=1e-4)


def test_spaces_of_two_samples_agree_and_those_of_two_kinds_of_vectors_do_not() -> None:
    vectors = anisotropic(8000, 20)
    one, two = fit_even(vectors[::2]), fit_even(vectors[1::2])
    other = fit_even(anisotropic(4000, 20)[:, ::-1])
    assert one is not None and two is not None and other is not None
    assert one.agrees(one, vectors) and one.agrees(two, vectors) and two.agrees(one, vectors)
    assert not one.agrees(other, vectors)
    assert not one.agrees(Space(one.mean, one.projection, one.chance, 1.5 * one.deviation), vectors)
