"""Recovered shapes and cameras against the truth, beside random poses, a sphere and the oracle's hull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import trimesh

from ops.bench.geometry import SurfaceScore, align, compare, sample_surface, sphere
from ops.bench.hull import hull_of_shape
from ops.bench.poses import align_rotations, random_rotations, rotation_errors, score_poses
from ops.bench.report import Measure
from ops.bench.truth import Array, Truth
from ops.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Recovered:
    """One recovered shape, to be judged as if it were a given true one.

    Attributes:
        shape: the true shape it stands for.
        weight: images it stands for.
        mesh: in its own object frame.
        keys: images with a recovered camera that show the true shape.
        R: ``(N, 3, 3)`` their recovered rotations, PyTorch3D axes.
    """

    shape: str
    weight: int
    mesh: trimesh.Trimesh
    keys: Sequence[str]
    R: Array


@dataclass(frozen=True, slots=True)
class Judgement:
    """Figures of one recovered shape.

    Attributes:
        shape: the true shape.
        weight: images it stands for.
        surface: of the recovered mesh after alignment.
        sphere: of a sphere of radius 0.4.
        hull: of the visual hull of all true masks and cameras.
        errors: ``(N,)`` rotation errors in degrees.
        chance: ``(N,)`` the same for random rotations.
    """

    shape: str
    weight: int
    surface: SurfaceScore
    sphere: SurfaceScore
    hull: SurfaceScore
    errors: Array
    chance: Array


Rivals = Mapping[str, Sequence[Judgement]]
"""Judgements of other methods by their names."""


@dataclass(slots=True)
class Judge:
    """Compares with the truth; what depends on the true shape alone is computed once."""

    truth: Truth
    _points: dict[str, Array] = field(default_factory=dict)
    _baselines: dict[str, tuple[SurfaceScore, SurfaceScore]] = field(default_factory=dict)

    def judge(self, found: Recovered) -> Judgement:
        """Figures of a recovered shape; it needs at least one recovered camera.

        Raises:
            NotFoundError: the truth lacks the mesh of the shape, or the camera or mask of an image.
        """
        true, turn = self._turned(found.keys, found.R)
        chance = random_rotations(len(true), seed=0)
        ball, hull = self.baselines(found.shape)
        # the cameras' G maps the true frame's coordinates from the recovered frame's: R_found = R_true G
        surface = self._surface(found.mesh, found.shape, turn)
        errors = rotation_errors(found.R, true, turn)
        return Judgement(found.shape, found.weight, surface, ball, hull, errors, rotation_errors(chance, true))

    def errors(self, keys: Sequence[str], R: Array) -> Array:
        """Rotation errors ``(N,)`` in degrees of recovered cameras ``(N, 3, 3)``, once turned onto the true ones.

        Raises:
            NotFoundError: the truth lacks the camera of an image.
        """
        true, turn = self._turned(keys, R)
        return rotation_errors(R, true, turn)

    def _turned(self, keys: Sequence[str], R: Array) -> tuple[Array, Array]:
        """True rotations, and the turn of the object that the recovered ones differ by."""
        true = np.stack([self._rotation(key) for key in keys])
        return true, align_rotations(R, true)

    def baselines(self, shape: str) -> tuple[SurfaceScore, SurfaceScore]:
        """Figures of a sphere of radius 0.4 and of the oracle's visual hull."""
        if shape not in self._baselines:
            truth = self.points(shape)
            ball = compare(sample_surface(sphere(), seed=1), truth)
            hull = compare(sample_surface(hull_of_shape(self.truth, shape), seed=1), truth)
            self._baselines[shape] = (ball, hull)
        return self._baselines[shape]

    def points(self, shape: str) -> Array:
        """Points ``(SAMPLES, 3)`` of the true surface."""
        if shape not in self._points:
            self._points[shape] = sample_surface(self.truth.mesh(shape))
        return self._points[shape]

    def _surface(self, mesh: trimesh.Trimesh, shape: str, turn: Array) -> SurfaceScore:
        points, truth = sample_surface(mesh, seed=1), self.points(shape)
        return compare(align(points, truth, turn)(points), truth)

    def _rotation(self, key: str) -> Array:
        rotation = self.truth.images[key].rotation
        if rotation is None:
            raise NotFoundError(f"the truth has no camera of image {key}")
        return rotation


def pose_measures(judged: Sequence[Judgement], rivals: Rivals = MappingProxyType({})) -> list[Measure]:
    """Rotation errors pooled over all images, beside random poses and other methods."""
    ours = score_poses(np.concatenate([j.errors for j in judged]))
    others = {"random poses": score_poses(np.concatenate([j.chance for j in judged]))}
    others |= {
        name: score_poses(np.concatenate([j.errors for j in theirs])) for name, theirs in rivals.items() if theirs
    }
    return [
        Measure("rotation error, median °", ours.median, "lower", {n: o.median for n, o in others.items()}),
        Measure("rotation error < 30°", ours.under_30, "higher", {n: o.under_30 for n, o in others.items()}),
        Measure("rotation error > 120°", ours.over_120, "lower", {n: o.over_120 for n, o in others.items()}),
    ]


def surface_measures(judged: Sequence[Judgement], rivals: Rivals = MappingProxyType({})) -> list[Measure]:
    """Chamfer and F-score, means over shapes weighted by the images they stand for."""

    def mean(values: Sequence[float], of: Sequence[Judgement] = judged) -> float:
        return float(np.average(values, weights=[j.weight for j in of]))

    chamfers = {name: mean([j.surface.chamfer for j in of], of) for name, of in rivals.items() if of}
    fscores = {name: mean([j.surface.fscore for j in of], of) for name, of in rivals.items() if of}

    return [
        Measure(
            "Chamfer",
            mean([j.surface.chamfer for j in judged]),
            "lower",
            {
                "sphere": mean([j.sphere.chamfer for j in judged]),
                "oracle hull": mean([j.hull.chamfer for j in judged]),
                **chamfers,
            },
        ),
        Measure(
            "F-score at 0.05",
            mean([j.surface.fscore for j in judged]),
            "higher",
            {
                "sphere": mean([j.sphere.fscore for j in judged]),
                "oracle hull": mean([j.hull.fscore for j in judged]),
                **fscores,
            },
        ),
    ]
