from __future__ import annotations

import numpy as np
import pytest

from ops.errors import ConfigError
from ops.train.within import RANK, describe_things, fit_metric
from tests.test_index_backbones_base import BrightnessBackbone


def things(count: int = 40, views: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Things that differ in the first three numbers, pictures of one that differ much more in the fourth."""
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(count), views)
    rows = rng.normal(0, 0.02, (len(names), 8))
    rows[:, :3] += rng.normal(0, 1, (count, 3))[names]
    rows[:, 3] += rng.normal(0, 5, len(names))
    return rows, names


def test_what_differs_within_a_thing_is_turned_down() -> None:
    rows, names = things()
    mapped = (rows - rows.mean(axis=0)) @ fit_metric(rows, names)
    same = names[:, None] == names
    apart = lambda x: np.linalg.norm(x[:, None] - x[None], axis=2)  # noqa: E731
    before, after = (apart(x)[same].mean() / apart(x)[~same].mean() for x in (rows, mapped))
    assert before > 0.65 and after < 0.5 * before


def test_no_more_directions_than_asked_for() -> None:
    rng = np.random.default_rng(1)
    names = np.repeat(np.arange(30), 4)
    assert fit_metric(rng.normal(size=(120, RANK + 9)), names).shape == (RANK + 9, RANK)


def test_one_picture_a_thing_teaches_nothing() -> None:
    rows, _ = things()
    with pytest.raises(ConfigError, match="--things"):
        fit_metric(rows, np.arange(len(rows)))


def test_pictures_repeat_with_their_seed() -> None:
    photos = [np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)]
    first, again, other = (describe_things(BrightnessBackbone(), photos, 2, seed) for seed in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    assert set(first[1].tolist()) == {0, 1}
