"""Points that two images of a shape both show, by the true mesh and cameras: what correspondences are judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from ops.bench.hull import project
from ops.bench.truth import Array, TrueCamera, Truth
from ops.errors import NotFoundError
from ops.synth.raster import rasterise

PIXELS = 256
"""Side of the depth maps."""
_SLACK = 0.03  # how far behind the depth map a point is still taken for visible, in object units


@dataclass(frozen=True, slots=True)
class TruePair:
    """Points of one image that another one shows too. Image points run from (0, 0) top left to (1, 1).

    Attributes:
        source: number of the image they are given in.
        target: number of the image they are looked for in.
        given: ``(P, 2)`` in the source.
        wanted: ``(P, 2)`` in the target.
        size: longer side of the object's box in the target, as a share of the image's side.
    """

    source: int
    target: int
    given: Array
    wanted: Array
    size: float


@dataclass(frozen=True, slots=True)
class TrueSight:
    """What an image shows of the true object.

    Attributes:
        camera: that it was taken with.
        given: ``(P, 2)`` the image's points that are on the object.
        points: ``(P, 3)`` the points of the object there.
        depth: ``(PIXELS, PIXELS)`` of the object, infinite beside it.
        size: longer side of the object's box, as a share of the image's side.
    """

    camera: TrueCamera
    given: Array
    points: Array
    depth: Array
    size: float


def true_sights(truth: Truth, keys: Sequence[str]) -> list[TrueSight]:
    """What images of one shape show of it.

    Raises:
        NotFoundError: the truth lacks the mesh or a camera.
    """
    mesh = truth.mesh(truth.images[keys[0]].shape)
    return [_look(truth, key, mesh) for key in keys]


def true_pairs(truth: Truth, keys: Sequence[str], targets: int, points: int, seed: int = 0) -> list[TruePair]:
    """Random pairs of images of one shape, each with points that both show.

    Args:
        truth: with mesh and cameras of the shape.
        keys: the images; numbers in the pairs are places in this list.
        targets: images to look in for each image.
        points: tried in each pair; those that the target hides are left out, and pairs without any.
        seed: of the draw.

    Raises:
        NotFoundError: the truth lacks the mesh or a camera.
    """
    random = np.random.default_rng(seed)
    seen = true_sights(truth, keys)
    pairs = []
    for source in range(len(keys)):
        others = [int(other) for other in random.permutation(len(keys)) if other != source][:targets]
        for target in others:
            chosen = random.permutation(len(seen[source].points))[:points]
            pair = _pair(seen, source, target, chosen)
            if len(pair.given):
                pairs.append(pair)
    return pairs


def _pair(seen: Sequence[TrueSight], source: int, target: int, chosen: NDArray[np.int64]) -> TruePair:
    there = seen[target]
    points, given = seen[source].points[chosen], seen[source].given[chosen]
    wanted, depth = project(points, there.camera), (points @ there.camera.R.T + there.camera.t)[:, 2]
    cells = np.floor(wanted * PIXELS).astype(np.int64)
    within = ((cells >= 0) & (cells < PIXELS)).all(1)
    first = there.depth[tuple(np.clip(cells, 0, PIXELS - 1).T[::-1])]
    visible = within & (depth <= first + _SLACK)
    return TruePair(source, target, given[visible], wanted[visible], there.size)


def _look(truth: Truth, key: str, mesh: trimesh.Trimesh) -> TrueSight:
    camera = truth.images[key].camera
    if camera is None:
        raise NotFoundError(f"the truth has no camera of image {key}")
    vertices = np.asarray(mesh.vertices, np.float64)
    faces = np.asarray(mesh.faces, np.int64)
    nearness = 1 / (vertices @ camera.R.T + camera.t)[:, 2]
    found = rasterise(project(vertices, camera) * PIXELS, nearness, faces, PIXELS, cull=False)
    points = (vertices[faces[found.faces]] * found.weights[..., None]).sum(1)
    depth = np.full(PIXELS * PIXELS, np.inf)
    depth[found.pixels] = (points @ camera.R.T + camera.t)[:, 2]
    given = np.stack([found.pixels % PIXELS + 0.5, found.pixels // PIXELS + 0.5], -1) / PIXELS
    extent = given.max(0) - given.min(0) if len(given) else np.zeros(2)
    return TrueSight(camera, given, points, depth.reshape(PIXELS, PIXELS), float(extent.max()))
