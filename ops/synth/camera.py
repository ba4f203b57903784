"""Random cameras of 'web photos'.

Axes as in OpenGL: x right, y up, z toward the viewer, ``x_cam = R @ x_obj + t`` with the object at
negative z; pixel ``u = (1 + f x / -z) / 2 * W``, ``v = (1 - f y / -z) / 2 * H``, ``f = 1 / tan(fov / 2)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ops.synth.primitives import Array


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera; angles in degrees.

    Attributes:
        azimuth: 0 looks at the front (+z), 90 at the +x side.
        elevation: height above the horizon.
        roll: turn about the viewing direction.
        fov: full field of view, horizontal and vertical.
        t: ``(3,)`` translation in object units.
    """

    azimuth: float
    elevation: float
    roll: float
    fov: float
    t: Array

    @property
    def R(self) -> Array:
        """``(3, 3)`` rotation from the object to the camera."""
        return rotation(self.azimuth, self.elevation, self.roll)

    def project(self, points: Array, size: int) -> tuple[Array, Array]:
        """Pixel coordinates ``(N, 2)`` in an image of side ``size``, and depths ``(N,)``."""
        seen = points @ self.R.T + self.t
        depth = -seen[:, 2]
        focal = 1 / np.tan(np.radians(self.fov) / 2)
        plane = focal * seen[:, :2] / depth[:, None]
        return (1 + plane * [1, -1]) / 2 * size, depth


def rotation(azimuth: float, elevation: float, roll: float) -> Array:
    """Object-to-camera rotation ``(3, 3)``; angles in degrees."""
    (sa, se, sr), (ca, ce, cr) = (f(np.radians([azimuth, elevation, roll])) for f in (np.sin, np.cos))
    right, up = np.array([ca, 0, -sa]), np.array([-sa * se, ce, -ca * se])
    return np.stack([cr * right - sr * up, sr * right + cr * up, np.array([sa * ce, se, ca * ce])])


def random_camera(rng: np.random.Generator, vertices: Array) -> Camera:
    """Draw a view: azimuth uniform, elevation -5..60, roll within 5, fov 20..50 degrees, object off centre.

    The object fills 50 to 85 % of the frame along its longer projected side and lies wholly inside.
    """
    azimuth, elevation = rng.uniform(0, 360), rng.uniform(-5, 60)
    roll, fov, fill = rng.uniform(-5, 5), rng.uniform(20, 50), rng.uniform(0.5, 0.85)
    rotated = vertices @ rotation(azimuth, elevation, roll).T
    focal = 1 / np.tan(np.radians(fov) / 2)
    distance = _distance(rotated, focal, fill)
    low, high = _extent(rotated, focal, distance)
    slack = np.maximum(0.95 - (high - low) / 2, 0)
    place = rng.uniform(-0.5, 0.5, 2) * slack - (low + high) / 2
    return Camera(azimuth, elevation, roll, fov, np.array([*(place * distance / focal), -distance]))


def _distance(rotated: Array, focal: float, fill: float) -> float:
    """Distance at which the projection's longer side is ``2 * fill``, by bisection."""
    near, far = float(rotated[:, 2].max()) + 0.05, 60.0
    for _ in range(30):
        middle = (near + far) / 2
        low, high = _extent(rotated, focal, middle)
        near, far = (middle, far) if (high - low).max() > 2 * fill else (near, middle)
    return far


def _extent(rotated: Array, focal: float, distance: float) -> tuple[Array, Array]:
    plane = focal * rotated[:, :2] / (distance - rotated[:, 2:3])
    return plane.min(0), plane.max(0)
