"""What a library, or a version of a shape, is worth against the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import trimesh

from ops.bench.partition import majority
from ops.bench.shapes import Judge, Recovered
from ops.bench.truth import Array, TrueImage, Truth

_UNDER = 30.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a version holds: images it stands for, F-score at 0.05 (NaN without a mesh), cameras within 30 degrees."""

    images: int
    fscore: float
    right: int


@dataclass(frozen=True, slots=True)
class Point:
    """The library from a moment on.

    Attributes:
        images: committed until then.
        seconds: since the first image.
        fscore: mean over shapes weighted by their images, over all images committed.
        right: share of the images committed that have a camera within 30 degrees.
    """

    images: int
    seconds: float
    fscore: float
    right: float


def judged(
    keys: Sequence[str], rotations: Array, mesh: trimesh.Trimesh, images: int, truth: Truth, judge: Judge
) -> Held:
    """What cameras and a mesh are worth, as the true shape that most of their images show.

    Of data without meshes cameras alone are judged, as those of the category that most images show.
    """
    shapes = [_shape_of(truth.images[key], truth) for key in keys]
    name = majority(shapes)
    own = [place for place, shape in enumerate(shapes) if shape == name]
    shown, found = [keys[place] for place in own], rotations[own]
    if not truth.has_mesh(name):
        return Held(images, math.nan, int((judge.errors(shown, found) < _UNDER).sum()))
    judgement = judge.judge(Recovered(name, images, mesh, shown, found))
    return Held(images, judgement.surface.fscore, int((judgement.errors < _UNDER).sum()))


def _shape_of(image: TrueImage, truth: Truth) -> str:
    return image.shape if truth.has_mesh(image.shape) else image.category or image.shape


def point(images: int, seconds: float, held: Iterable[Held]) -> Point:
    """The library that holds all these."""
    found = list(held)
    total = max(images, 1)
    return Point(
        images, seconds, sum(one.images * one.fscore for one in found) / total, sum(one.right for one in found) / total
    )
