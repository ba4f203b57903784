"""Types of index: which suits how many, and how many components a sample needs."""

from __future__ import annotations

import numpy as np
import pytest

from index.kinds import Sizes, ids_of, sample_size, trained, training


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_type_follows_the_number() -> None:
    sizes = Sizes(ivf=10, sq=100)
    assert [sizes.kind(count) for count in (0, 9, 10, 99, 100, 10**9)] == ["flat", "flat", "ivf", "ivf", "sq", "sq"]
    assert Sizes(ivf=50, sq=20).kind(30) == "sq"  # the smaller number counts


@pytest.mark.parametrize(("count", "wanted"), [(100, 100), (30_000, 5536), (10**7, 40_000)])
def test_samples_are_bounded(count: int, wanted: int) -> None:
    assert sample_size(count) == wanted


def test_as_many_components_are_kept_as_neighbours_need() -> None:
    random = np.random.default_rng(0)
    falling = unit(random.normal(size=(2000, 160)) / (1 + np.arange(160)))
    equal = unit(random.normal(size=(2000, 160)))
    assert trained("sq", falling, 2000).index.d == 64
    assert trained("sq", equal, 2000).index.d == 160  # all are needed where they tell equally much


@pytest.mark.parametrize(("kind", "least"), [("flat", 0), ("ivf", 8), ("sq", 9)])
def test_training_hands_back_control_often(kind: str, least: int) -> None:
    sample = unit(np.random.default_rng(0).normal(size=(2500, 16)))
    steps = training(kind, sample, 2500)  # type: ignore[arg-type]
    count = 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as done:
            index = done.value
            break
    assert count >= least and index.ntotal == 0 and not len(ids_of(index))
    index.add_with_ids(sample[:20], np.arange(7, 27))
    assert sorted(ids_of(index).tolist()) == list(range(7, 27))
