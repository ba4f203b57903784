from __future__ import annotations

import numpy as np

from ops.synth.backdrop import BACKDROPS, random_backdrop


def _roughness(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture, axis=0)).mean())


def test_backdrops_occur_and_grow_busier_from_plain_to_clutter() -> None:
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {name: [] for name in BACKDROPS}
    for _ in range(40):
        name, picture = random_backdrop(rng, 64)
        assert picture.shape == (64, 64, 3)
        assert picture.min() >= 0 and picture.max() <= 1
        found[name].append(_roughness(picture))
    plain, blurred, clutter = (float(np.mean(found[name])) for name in BACKDROPS)
    assert plain < blurred < clutter


def test_a_generator_fixes_the_backdrop() -> None:
    first, second = (random_backdrop(np.random.default_rng(5), 32) for _ in range(2))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])
