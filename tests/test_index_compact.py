from __future__ import annotations

import numpy as np
import pytest

from index.compact import COMPONENTS, LEAST_SAMPLE, CompactIndex

DIM = 100


def descriptors(count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around 20 middles, as those of images are."""
    middles = np.random.default_rng(1).normal(size=(20, DIM))
    random = np.random.default_rng(seed)
    vectors = middles[random.integers(0, 20, count)] + 0.5 * random.normal(size=(count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def index() -> CompactIndex:
    found = CompactIndex(descriptors(LEAST_SAMPLE))
    found.add(np.arange(1000, 1600), descriptors(600, seed=2))
    return found


def test_those_that_are_nearest_are_among_those_that_seem_so(index: CompactIndex) -> None:
    stored, asked = descriptors(600, seed=2), descriptors(20, seed=3)
    shares = []
    for vector in asked:
        nearest = 1000 + np.argsort(-(stored @ vector))[:10]
        shares.append(len(set(nearest.tolist()) & set(index.near(vector, 30))) / 10)
    assert np.mean(shares) > 0.9


def test_it_holds_what_was_added_and_nothing_of_the_sample(index: CompactIndex) -> None:
    assert len(index) == 600 and index.dim == DIM > COMPONENTS
    assert index.near(descriptors(600, seed=2)[17], 1) == [1017]
    found = index.near(descriptors(1)[0], 5000)
    assert set(found) <= set(range(1000, 1600)) and 100 < len(found) == len(set(found))


def test_what_was_removed_is_not_found(index: CompactIndex) -> None:
    vector = descriptors(600, seed=2)[17]
    index.remove(np.array([1017, 5]))
    assert len(index) == 599 and 1017 not in index.near(vector, 599)
    assert index.near(descriptors(600, seed=2)[599], 1) == [1599]  # what lay behind keeps its id
