from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.kmeans import FloatArray
from index.layout import ROUTING
from index.routing import Routing, learn_routing, load_routing
from ops.errors import ConfigError, FingerprintError, StateError


def blobs(count: int, groups: int = 12, dim: int = 16, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(groups, dim))
    rows = centres[np.arange(count) % groups] + 0.2 * random.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("parts", "together"), [(1, 100), (2, 99), (3, 99), (4, 95), (7, 75)])
def test_parts_are_about_as_large_as_each_other_and_hold_together_what_is_alike(parts: int, together: int) -> None:
    routing = learn_routing(blobs(1200), parts, "f")
    assert routing.parts == parts
    homes = routing.affinities(blobs(1200, seed=1)).argmax(axis=1)
    assert np.bincount(homes, minlength=parts).min() >= 0.5 * 1200 / parts
    shares = [np.bincount(homes[np.arange(1200) % 12 == group]).max() for group in range(12)]
    assert np.mean(shares) >= together  # of 100; a seventh is less than two of the twelve groups


def test_the_same_descriptors_give_the_same_parts() -> None:
    one, other = (learn_routing(blobs(600), 3, "f") for _ in range(2))
    assert np.array_equal(one.centroids, other.centroids) and np.array_equal(one.owners, other.owners)


def test_every_part_owns_a_centroid_even_where_all_lies_in_one_place() -> None:
    routing = learn_routing(np.tile(blobs(1), (40, 1)), 5, "f")
    assert set(routing.owners.tolist()) == set(range(5))


def test_too_few_descriptors_are_said() -> None:
    with pytest.raises(ConfigError, match="16 images at least; there are 15"):
        learn_routing(blobs(15), 4, "f")


def test_it_is_kept(tmp_path: Path) -> None:
    assert load_routing(tmp_path, "f", 3) is None
    routing = learn_routing(blobs(600), 3, "f")
    routing.save(tmp_path)
    kept = load_routing(tmp_path, "f", 3)
    assert kept is not None and np.array_equal(kept.affinities(blobs(9)), routing.affinities(blobs(9)))
    assert [path.name for path in tmp_path.iterdir()] == [ROUTING]
    with pytest.raises(FingerprintError, match="learnt of descriptors of backbone f, not g"):
        load_routing(tmp_path, "g", 3)
    with pytest.raises(StateError, match="a library of 3 parts"):
        load_routing(tmp_path, "f", 2)
    (tmp_path / ROUTING).write_bytes(b"torn")
    with pytest.raises(StateError, match="can't be read"):
        load_routing(tmp_path, "f", 3)


def test_an_affinity_is_to_the_nearest_centroid_of_a_part() -> None:
    routing = Routing(np.eye(3, dtype=np.float32), np.array([0, 1, 0]), "f")
    found = routing.affinities(np.array([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]], np.float32))
    assert np.allclose(found, [[0.8, 0.0], [0.0, 1.0]])
