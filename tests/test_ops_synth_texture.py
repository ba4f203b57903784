from __future__ import annotations

import numpy as np

from ops.synth.texture import TILE, Material, noise, random_material


def test_noise_tiles_and_fills_its_range() -> None:
    field = noise(np.random.default_rng(0), 64, 4)
    assert field.min() == 0 and field.max() == 1
    seam = np.abs(field[0] - field[-1]).mean()
    inside = np.abs(np.diff(field, axis=0)).mean()
    assert seam < 2 * inside


def test_materials_are_colours_and_differ() -> None:
    rng = np.random.default_rng(1)
    materials = [random_material(rng) for _ in range(60)]
    for material in materials:
        assert material.texture.shape == (TILE, TILE, 3)
        assert material.texture.min() >= 0 and material.texture.max() <= 1
    patterned = sum(material.texture.std((0, 1)).max() > 0.08 for material in materials)
    assert 10 < patterned < 50
    assert np.ptp([material.texture.mean((0, 1)) for material in materials], axis=0).min() > 0.4


def test_a_texture_is_projected_along_the_normal() -> None:
    texture = np.zeros((TILE, TILE, 3))
    texture[:, TILE // 2 :] = 1
    material = Material(texture, 1.0, 0.0)
    points = np.array([[0.25, 0.1, 0.9], [0.75, 0.1, 0.9]])
    along_z, along_x = np.array([[0, 0, 1.0]] * 2), np.array([[1.0, 0, 0]] * 2)
    assert material.colour(points, along_z)[:, 0].tolist() == [0, 1]
    assert material.colour(points, along_x)[:, 0].tolist() == [1, 1]
