from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from ops.bench.geometry import sample_surface
from ops.bench.true_points import true_pairs
from ops.bench.truth import Array, TrueCamera, Truth, load_truth
from ops.synth.shards import write_shards


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=1, views=5, size=96)
    return load_truth(folder)


def rays(image: Array, camera: TrueCamera) -> tuple[Array, Array]:
    """Where a camera stands, and unit directions ``(P, 3)`` of its image points, by the contract of `TrueCamera`."""
    flat = (1 - 2 * image) * np.tan(camera.fov / 2)
    directions = np.hstack([flat, np.ones((len(flat), 1))]) @ camera.R
    return -camera.R.T @ camera.t, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def crossing(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """Points ``(P, 3)`` in the middle between pairs of rays, and how far apart those are there."""
    (a, u), (b, v) = first, second
    cosine = (u * v).sum(1)
    between = b - a
    s = (u @ between - cosine * (v @ between)) / (1 - cosine**2)
    t = (cosine * (u @ between) - v @ between) / (1 - cosine**2)
    one, two = a + s[:, None] * u, b + t[:, None] * v
    return (one + two) / 2, np.linalg.norm(one - two, axis=1)


def test_rays_through_both_pixels_meet_on_the_surface(truth: Truth) -> None:
    name = truth.shapes[0]
    keys = [image.key for image in truth.of_shape(name)]
    pairs = true_pairs(truth, keys, targets=4, points=30)
    surface = cKDTree(sample_surface(truth.mesh(name), 50_000))
    assert len(pairs) > 10
    count = 0
    for pair in pairs:
        source, target = (truth.images[keys[number]].camera for number in (pair.source, pair.target))
        assert source is not None and target is not None and pair.source != pair.target
        points, apart = crossing(rays(pair.given, source), rays(pair.wanted, target))
        assert apart.max() < 0.02
        assert np.median(surface.query(points)[0]) < 0.02
        count += len(points)
    assert count > 200


def test_points_are_on_the_object_and_hidden_ones_are_left_out(truth: Truth) -> None:
    keys = [image.key for image in truth.of_shape(truth.shapes[0])]
    pairs = true_pairs(truth, keys, targets=4, points=30)
    inside = []
    for pair in pairs:
        for points, number in ((pair.given, pair.source), (pair.wanted, pair.target)):
            mask = truth.mask(keys[number])
            cells = np.floor(points * len(mask)).astype(int)
            inside.append(mask[cells[:, 1], cells[:, 0]])
        rows, columns = np.nonzero(truth.mask(keys[pair.target]))
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert pair.size == pytest.approx(extent / len(truth.mask(keys[pair.target])), abs=0.05)
    assert np.concatenate(inside).mean() > 0.9  # pixels at the outline are larger in the image's own mask
    assert sum(len(pair.given) for pair in pairs) < 30 * len(pairs)


def test_the_draw_is_the_same_for_the_same_seed(truth: Truth) -> None:
    keys = [image.key for image in truth.of_shape(truth.shapes[0])]
    one, two, other = (true_pairs(truth, keys, targets=2, points=5, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.given, b.given) for a, b in zip(one, two, strict=True))
    assert [(pair.source, pair.target) for pair in one] != [(pair.source, pair.target) for pair in other]
