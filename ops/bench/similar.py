"""Whether the form of a mined shape finds the object among the true meshes of all, or at least one of its kind.

Beside it the distribution of distances between random pairs of surface points, D2 of Osada et al., 'Shape
Distributions' (TOG 2002), which no turn changes at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from index.form import likeness, pack, packed_rows, spectrum
from ops.bench.correspond import Settings, recovered
from ops.bench.geometry import sample_surface
from ops.bench.report import Measure, Report
from ops.bench.truth import Array, Truth, load_truth

FORM, D2, CHANCE = "form", "D2 distribution", "chance"
_POINTS, _BINS, _FARTHEST = 8192, 64, 4.0
Body = tuple[Array, NDArray[np.int64]]


def run(data: Path, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Asks for shapes, mined from their true members, among the true meshes.

    Args:
        data: folder with shards and truth.
        settings: as for correspondences; targets and points are of no account.
        tell: told one line a shape.

    Raises:
        NotFoundError: a named shape is not in the truth, or one lacks a mesh.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    known = {name: _true_body(truth, name) for name in truth.shapes}
    ranks: dict[str, dict[str, list[str]]] = {}
    for name, _, found in recovered(data, truth, settings, tell):
        assert found.shape is not None
        mesh = found.shape.mesh
        ranks[name] = ranked((mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)), known)
        tell(f"{name}: " + "; ".join(f"{way} {', '.join(order[:3])}" for way, order in ranks[name].items()))
    return _report(data, settings, ranks, list(known))


def ranked(asked: Body, known: dict[str, Body]) -> dict[str, list[str]]:
    """Names of the known bodies, most alike first, by each way to compare them."""
    names = list(known)
    score, _ = likeness(spectrum(*asked), packed_rows([pack(spectrum(*body)) for body in known.values()]))
    own = _distances(asked)
    away = np.array([np.abs(own - _distances(body)).sum() for body in known.values()])
    return {FORM: [names[at] for at in np.argsort(-score)], D2: [names[at] for at in np.argsort(away)]}


def _distances(body: Body) -> Array:
    """Histogram of distances between random pairs of points, over their mean."""
    points = sample_surface(trimesh.Trimesh(*body, process=False), _POINTS)
    away = np.linalg.norm(points[: _POINTS // 2] - points[_POINTS // 2 :], axis=1)
    counts = np.histogram(away / away.mean(), _BINS, (0, _FARTHEST))[0]
    return np.asarray(counts / counts.sum(), np.float64)


def _true_body(truth: Truth, name: str) -> Body:
    mesh = truth.mesh(name)
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)


def kind(name: str) -> str:
    """``chair`` of ``chair-03``."""
    return name.rpartition("-")[0]


def _report(data: Path, settings: Settings, ranks: dict[str, dict[str, list[str]]], names: Sequence[str]) -> Report:
    measures = []
    if ranks:
        ways = (FORM, D2)
        first = {way: float(np.mean([order[way][0] == name for name, order in ranks.items()])) for way in ways}
        alike = {
            way: float(np.mean([kind(order[way][0]) == kind(name) for name, order in ranks.items()])) for way in ways
        }
        by_chance = float(np.mean([[kind(other) == kind(name) for other in names] for name in ranks]))
        measures = [
            Measure("the object itself comes first", first[FORM], "higher", {D2: first[D2], CHANCE: 1 / len(names)}),
            Measure("one of its kind comes first", alike[FORM], "higher", {D2: alike[D2], CHANCE: by_chance}),
        ]
    facts: dict[str, str | int | float] = {
        "true meshes": len(names), "asked for": len(ranks), "effort": settings.effort, "seed": settings.seed,
    }  # fmt: skip
    return Report(f"{data.name}: mined shapes among true meshes", measures, facts)
