"""Distances between surfaces, after similarity alignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

SAMPLES = 10_000
THRESHOLD = 0.05
"""Distance in object units (longest side 1) within which a point counts as found."""


@dataclass(frozen=True, slots=True)
class SurfaceScore:
    """Distance of two sampled surfaces.

    Attributes:
        chamfer: mean distance to the nearest point of the other, both ways added, in object units.
        fscore: harmonic mean of the shares of points within the threshold of the other surface.
    """

    chamfer: float
    fscore: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """``x -> scale * R @ x + t``."""

    scale: float
    R: Array
    t: Array

    def __call__(self, points: Array) -> Array:
        """Points ``(N, 3)`` moved."""
        moved: Array = self.scale * points @ self.R.T + self.t
        return moved


def sample_surface(mesh: trimesh.Trimesh, count: int = SAMPLES, seed: int = 0) -> Array:
    """Points ``(count, 3)`` spread evenly at random over a mesh's faces."""
    points, _ = trimesh.sample.sample_surface(mesh, count, seed=seed)
    return np.asarray(points, dtype=float)


def compare(points: Array, truth: Array, threshold: float = THRESHOLD) -> SurfaceScore:
    """Chamfer distance and F-score of two point sets ``(N, 3)`` and ``(M, 3)``."""
    there = cKDTree(truth).query(points)[0]
    back = cKDTree(points).query(truth)[0]
    precision, recall = float(np.mean(there < threshold)), float(np.mean(back < threshold))
    total = precision + recall
    return SurfaceScore(float(there.mean() + back.mean()), 2 * precision * recall / total if total else 0.0)


def align(points: Array, truth: Array, rotation: Array, steps: int = 40, samples: int = 2000) -> Similarity:
    """Similarity that lays ``points`` on ``truth``: start from a rotation, then ICP with scale.

    Each step pairs nearest neighbours in both directions (one direction alone would let the scale collapse)
    and solves for the similarity in closed form (Umeyama, PAMI 1991).

    Args:
        points: ``(N, 3)`` in the frame to be moved, in random order.
        truth: ``(M, 3)`` in the frame to move to, in random order.
        rotation: ``(3, 3)`` first guess, such as the one that aligns the cameras.
        steps: ICP iterations.
        samples: points of each side that take part.
    """
    source, target = points[:samples], truth[:samples]
    tree, current = cKDTree(target), _first_guess(source, target, rotation)
    for _ in range(steps):
        moved = current(source)
        onto = target[tree.query(moved)[1]]
        matched = source[cKDTree(moved).query(target)[1]]
        current = umeyama(np.concatenate([source, matched]), np.concatenate([onto, target]))
    return current


def umeyama(source: Array, target: Array) -> Similarity:
    """Least-squares similarity from ``source`` ``(N, 3)`` to ``target`` ``(N, 3)`` (Umeyama, PAMI 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    left, right = source - source_mean, target - target_mean
    U, S, Vt = np.linalg.svd(right.T @ left / len(source))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U * signs @ Vt
    scale = float((S * signs).sum() / (left**2).sum(1).mean())
    return Similarity(scale, R, target_mean - scale * R @ source_mean)


def sphere(radius: float = 0.4) -> trimesh.Trimesh:
    """The baseline that knows nothing but the object's size."""
    mesh: trimesh.Trimesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return mesh


def _first_guess(source: Array, target: Array, rotation: Array) -> Similarity:
    """Turn by ``rotation``, then match the centroids and the spread about them."""
    turned = source @ rotation.T
    scale = float(np.sqrt(target.var(0).sum() / turned.var(0).sum()))
    return Similarity(scale, rotation, target.mean(0) - scale * turned.mean(0))
