"""A procedural scene for the reconstruction tests: boxes seen through exact perspective cameras.

The pictures share no code with ``recon``: rays meet boxes analytically, so a mistake in its projection shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from recon import (
    Cameras,
    Mesh,
    Placement,
    Quality,
    ReconConfig,
    Reconstruction,
    Shape,
    Stage,
    Views,
    VoxelField,
    reconstruct,
)
from recon.config import JointStage, Realignment
from recon.em import Model
from recon.evidence import fit_basis, gather_evidence
from recon.geometry import angles_of
from recon.result import NO_DENSITY
from recon.types import Viewpoints
from recon.volume import HALF_EXTENT, Hypotheses

Floats = NDArray[np.float64]

CHAIR = np.array(
    [
        [[-0.25, -0.05, -0.25], [0.25, 0.05, 0.25]],
        [[-0.25, 0.05, -0.25], [0.25, 0.5, -0.15]],
        [[-0.25, -0.5, -0.25], [-0.13, -0.05, -0.13]],
        [[0.13, -0.5, -0.25], [0.25, -0.05, -0.13]],
        [[-0.25, -0.5, 0.13], [-0.13, -0.05, 0.25]],
        [[0.13, -0.5, 0.13], [0.25, -0.05, 0.25]],
    ]
)
"""Seat, back and four legs: lowest and highest corners, longest side 1, front towards +z."""

SIZE, GRID, DIMS, DISTANCE = 64, 16, 24, 2.4


@dataclass(frozen=True)
class Scene:
    """Views of an object with the cameras they were taken from (PyTorch3D axes)."""

    views: Views
    R: Floats
    t: Floats
    focal: float
    azimuth: Floats


def look(azimuth: float, elevation: float) -> Floats:
    """Rotation of a camera that looks at the origin, y up; azimuth 0 stands at +z, radians."""
    place = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    forward = -place
    left = np.cross([0.0, 1.0, 0.0], forward)
    left /= np.linalg.norm(left)
    return np.stack([left, np.cross(forward, left), forward])


def cast(boxes: Floats, R: Floats, t: Floats, focal: float, size: int) -> tuple[NDArray[np.bool_], Floats]:
    """First hits of a square image's rays with the boxes: mask ``(size, size)`` and points in object axes."""
    line = (np.arange(size) + 0.5) * 2 / size - 1
    v, u = np.meshgrid(line, line, indexing="ij")
    rays = np.stack([-u / focal, -v / focal, np.ones_like(u)], -1) @ R
    origin = -R.T @ t
    with np.errstate(divide="ignore", invalid="ignore"):
        slabs = (boxes[:, :, None, None, :] - origin) / rays
    near, far = slabs.min(1).max(-1), slabs.max(1).min(-1)
    depth = np.where(near < far, near, np.inf).min(0)
    mask = np.isfinite(depth)
    return mask, origin + rays * np.where(mask, depth, 0.0)[..., None]


def paint(points: Floats, dims: int, seed: int, even: bool) -> Floats:
    """Smooth features of surface points; ``even`` makes them the same on both sides of x = 0."""
    rng = np.random.default_rng(seed)
    where = points * np.array([0.0 if even else 1.0, 1.0, 1.0])
    where = np.concatenate([where, np.abs(points[..., :1])], -1)
    return np.cos(where @ rng.normal(0, 4.0, (4, dims)) + rng.uniform(0, 6.28, dims))


def make_scene(
    count: int = 24,
    *,
    boxes: Floats = CHAIR,
    seed: int = 0,
    noise: float = 0.2,
    even: bool = True,
    round_paint: bool = False,
) -> Scene:
    """Photographs ``boxes`` from random azimuths and elevations of 0 to 45 degrees.

    With ``round_paint`` the features depend on height alone.
    """
    rng = np.random.default_rng(seed)
    azimuth, elevation = rng.uniform(0, 2 * np.pi, count), np.radians(rng.uniform(0, 45, count))
    t, focal = np.array([0.0, 0.0, DISTANCE]), 2.6
    R = np.stack([look(a, e) for a, e in zip(azimuth, elevation, strict=True)])
    masks, crops, features, flipped = [], [], [], []
    for rotation in R:
        mask, points = cast(boxes, rotation, t, focal, SIZE)
        colour = np.where(mask[..., None], 128 + 120 * paint(points, 3, 99, True), 255)
        masks.append(mask)
        crops.append(colour.astype(np.uint8))
        inside, coarse = cast(boxes, rotation, t, focal, GRID)
        coarse = coarse * [0, 1, 0] if round_paint else coarse
        seen = np.where(inside[..., None], paint(coarse, DIMS, 7, even), 0.0)
        for out, image in ((features, seen), (flipped, seen[:, ::-1])):
            out.append(image + rng.normal(0, noise, seen.shape))
    return Scene(
        Views(
            ids=np.arange(100, 100 + count),
            crops=np.stack(crops),
            masks=np.stack(masks),
            features=np.stack(features).transpose(0, 3, 1, 2).astype(np.float32),
            flipped_features=np.stack(flipped).transpose(0, 3, 1, 2).astype(np.float32),
        ),
        R,
        np.tile(t, (count, 1)),
        focal,
        azimuth,
    )


def true_mesh(boxes: Floats = CHAIR) -> Mesh:
    """The surface of boxes."""
    body = trimesh.util.concatenate([trimesh.creation.box(bounds=box) for box in boxes])
    grey = np.full((len(body.vertices), 3), 128, np.uint8)
    return Mesh(body.vertices.astype(np.float32), body.faces.astype(np.int32), grey)


def true_cameras(scene: Scene) -> Cameras:
    """The cameras a scene was photographed with."""
    count = len(scene.R)
    fov = np.full(count, 2 * np.arctan(1 / scene.focal))
    parts = (scene.R, scene.t, fov, np.zeros((count, 2)), np.zeros(count), np.ones(count))
    return Cameras(*(part.astype(np.float32) for part in parts))


def true_result(scene: Scene) -> Reconstruction:
    """What a reconstruction of a scene would be without a flaw, with an empty field."""
    basis = fit_basis(scene.views, 4, torch.device("cpu"))
    field = VoxelField(
        np.zeros((8, 8, 8), np.float16), np.zeros(0, np.int32), np.zeros((0, 4), np.float16), basis,
        Placement((0.0, 0.0, 0.0), 1.56, 3.0), True, 0.1, NO_DENSITY,
    )  # fmt: skip
    shape = Shape(true_cameras(scene), field, true_mesh(), Quality(0.1, 0.9, 0.1, len(scene.R)))
    return Reconstruction("shape", "flawless", scene.views.ids, shape)


def told(azimuth: NDArray[np.float64], sureness: float = 8.0) -> Viewpoints:
    """Guesses of azimuths ``(N,)`` in radians over 24 bins, at an elevation of 20 degrees."""
    away = azimuth[:, None] - np.arange(24) * (2 * np.pi / 24)
    return Viewpoints((sureness * np.cos(away)).astype(np.float32), np.full(len(azimuth), 20, np.float32))


def rotation_errors(estimate: Floats, truth: Floats) -> Floats:
    """Degrees between rotations ``(N, 3, 3)`` after the one global rotation that suits most of them."""
    votes = np.einsum("nji,njk->nik", estimate, truth)
    angle = _angles(np.einsum("nij,mkj->nmik", votes, votes))
    best = votes[np.median(angle, 1).argmin()]
    near = votes[_angles(np.einsum("nij,kj->nik", votes, best)) < 40].sum(0)
    left, _, right = np.linalg.svd(near)
    common = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return _angles(np.einsum("nij,kj->nik", votes, common))


def _angles(R: Floats) -> Floats:
    trace = np.trace(R, axis1=-2, axis2=-1)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


SMALL = ReconConfig(
    min_views=8,
    appearance_floor=0.1,
    min_score=0.05,
    coarse=Stage(8, 5, 3, 18, 3, 14, 24, 8),
    medium=Stage(2, 3, 3, 24, 3, 16, 24),
    fine=Stage(2, 2, 3, 36, 4, 20, 24),
    trial=JointStage(20, 24, 3000, 4),
    realign=Realignment(1, JointStage(20, 24, 3000, 4), azimuths=36, elevations=4, resolution=20),
    joint=JointStage(60, 28, 4000, 8),
    mesh_resolution=40,
)
"""A search small enough for a test."""


@cache
def cold_result() -> tuple[Scene, Reconstruction]:
    """A chair and its cold reconstruction, computed once for all tests."""
    scene = make_scene(24)
    return scene, reconstruct(scene.views, SMALL)


@cache
def carved_result() -> tuple[Scene, Reconstruction]:
    """A chair and its reconstruction from the true cameras: a fraction of a cold one's time."""
    scene = make_scene(24)
    return scene, reconstruct(scene.views, SMALL, rotations=scene.R.astype(np.float32))


def true_poses(scene: Scene, config: ReconConfig = SMALL) -> tuple[Model, Hypotheses]:
    """The working model of a scene and its true poses, framed by their masks."""
    device = torch.device("cpu")
    basis = fit_basis(scene.views, config.feature_dims, device)
    model = Model.of(gather_evidence(scene.views, basis, device), config)
    distance = DISTANCE * 2 * HALF_EXTENT
    model = replace(model, distance=distance)
    angles = angles_of(torch.tensor(scene.R, dtype=torch.float32))
    half = model.evidence.half
    slope = scene.focal / (half * distance)
    frame = torch.cat([slope[:, None], -model.evidence.centre / half[:, None]], 1)
    ones = torch.ones(1, len(angles))
    return model, Hypotheses(angles[None], frame[None], ones, ones)


def joined(first: Views, second: Views) -> Views:
    """Views of both, the second's ids moved behind the first's."""
    names = ("crops", "masks", "features", "flipped_features")
    parts = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    parts["ids"] = np.concatenate([first.ids, second.ids + 1000])
    return Views(**parts)
