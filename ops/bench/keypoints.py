"""Whether a keypoint of a shape is the same point of the true object in every image that shows it.

The place of a keypoint in an image is followed, with the true camera and mesh, to the point of the true surface that
the image has there. Of all pairs of images that show a keypoint, by our own account, the share is counted in which
these two points lie within a tenth of the object's size from each other; a place beside the object is wrong in all of
its pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ops.bench.correspond import Seen, Settings, Track, neighbours, recovered
from ops.bench.report import Measure, Report
from ops.bench.true_points import TrueSight, true_sights
from ops.bench.truth import Array, Truth, load_truth
from recon import Reconstruction, Structure, find_structure
from recon.camera import Pinholes, select_cameras
from recon.canonical import locate, surface_points
from recon.correspond import Looks

SHARE = 0.1
DETECTED, PROJECTED = "detected", "projected by the cameras alone"
NEIGHBOURS, CHANCE = "nearest neighbours of one image's features", "a random pixel of the mask"
_BESIDE = 0.03  # how far from a pixel of the object a place may be and still be on it, in object sizes
_CPU = torch.device("cpu")


def run(data: Path, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Finds keypoints of shapes of known geometry.

    Args:
        data: folder with shards and truth.
        settings: as for correspondences; targets and points are of no account.
        tell: told one line a shape.

    Raises:
        NotFoundError: a named shape is not in the truth, or it lacks a mesh or camera.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    found: dict[str, dict[str, float]] = {}
    for name, seen, known in recovered(data, truth, settings, tell):
        found[name] = score(truth, seen, known, settings.seed)
        tell(f"{name}: " + ", ".join(f"{way} {value:.3f}" for way, value in found[name].items()))
    return _report(data, settings, found, truth.wanted(settings.shapes))


def score(truth: Truth, seen: Seen, known: Reconstruction, seed: int = 0) -> dict[str, float]:
    """Share of pairs of images in which a keypoint is the same true point, by how it was placed in them."""
    assert known.shape is not None  # or there are no keypoints
    structure = find_structure(known.shape.mesh, known.shape.cameras, seen.views)
    sights = true_sights(truth, [seen.keys[row] for row in structure.ids])
    boxes = seen.boxes[torch.from_numpy(structure.ids)]
    ways = {
        DETECTED: torch.from_numpy(structure.places),
        PROJECTED: _projected(known, structure),
        NEIGHBOURS: _neighbours(seen, known, structure),
        CHANCE: _random(seen, structure, seed),
    }
    return {way: same_point(_true_points(places, boxes, sights), structure.visible) for way, places in ways.items()}


def same_point(points: Array, visible: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Share of pairs of images whose points of a keypoint lie within `SHARE` of each other.

    Args:
        points: ``(N, K, 3)`` points of the true object, infinite where a place lies beside it.
        visible: ``(N, K)`` which images show which keypoint.
    """
    right = pairs = 0
    for keypoint in range(points.shape[1]):
        there = points[visible[:, keypoint], keypoint]
        one, other = np.triu_indices(len(there), 1)
        with np.errstate(invalid="ignore"):  # both beside the object: infinite minus infinite is not near
            right += int((np.linalg.norm(there[one] - there[other], axis=1) <= SHARE).sum())
        pairs += len(one)
    return right / max(pairs, 1)


def _true_points(places: Tensor, boxes: Tensor, sights: list[TrueSight]) -> Array:
    """Points ``(N, K, 3)`` of the true surface at places ``(N, K, 2)`` in crop coordinates."""
    found = np.full((*places.shape[:2], 3), np.inf)
    for row, (sight, box) in enumerate(zip(sights, boxes, strict=True)):
        whole = ((places[row] + 1) / 2 * box[2] + box[:2]).double().numpy()
        away, nearest = cKDTree(sight.given).query(whole)
        on = away <= _BESIDE * sight.size
        found[row, on] = sight.points[nearest[on]]
    return found


def _projected(known: Reconstruction, structure: Structure) -> Tensor:
    assert known.shape is not None
    eyes = Pinholes.of(select_cameras(known.shape.cameras, structure.ids), _CPU)
    surface = surface_points(known.shape.mesh, _CPU)
    nearest = torch.cdist(torch.from_numpy(structure.points), surface).argmin(1)  # the mean was fitted to detections
    return locate(surface, eyes, surface[nearest]).image


def _neighbours(seen: Seen, known: Reconstruction, structure: Structure) -> Tensor:
    """Where each image looks most like the image that fits best of those that show the keypoint."""
    assert known.shape is not None
    looks = Looks.of(torch.from_numpy(seen.views.features), torch.from_numpy(seen.views.masks))
    losses = known.shape.cameras.loss[structure.ids]
    places = torch.from_numpy(structure.places).clone()
    for keypoint in np.flatnonzero(structure.visible.any(0)):
        source = int(np.where(structure.visible[:, keypoint], losses, np.inf).argmin())
        given = places[source, keypoint][None]
        for row, image in enumerate(structure.ids):
            if row != source:
                track = Track(int(structure.ids[source]), int(image), given, given, 0.0)
                places[row, keypoint] = neighbours(looks, track, True)[0]
    return places


def _random(seen: Seen, structure: Structure, seed: int) -> Tensor:
    random = np.random.default_rng(seed)
    count = structure.places.shape[1]
    rows = []
    for image in structure.ids:
        mask = seen.views.masks[image] > 0.5
        cells = np.argwhere(mask)[random.integers(0, max(int(mask.sum()), 1), count)]
        rows.append(2 * (cells[:, ::-1] + 0.5) / mask.shape[0] - 1)
    return torch.tensor(np.stack(rows), dtype=torch.float32)


def _report(data: Path, settings: Settings, found: dict[str, dict[str, float]], names: list[str]) -> Report:
    measures = []
    if found:
        mean = {way: float(np.mean([scores[way] for scores in found.values()])) for way in next(iter(found.values()))}
        measures = [_measure("same true point", mean)]
        measures += [_measure(f"{name}: same true point", scores) for name, scores in found.items()]
    facts: dict[str, str | int | float] = {
        "backbone": settings.backbone, "effort": settings.effort, "seed": settings.seed, "shapes": len(names),
        "with a shape": len(found), "same": f"within {SHARE:g} of the object's size",
    }  # fmt: skip
    return Report(f"{data.name}: keypoints of one shape in all of its images", measures, facts)


def _measure(name: str, scores: dict[str, float]) -> Measure:
    others = {way: value for way, value in scores.items() if way != DETECTED}
    return Measure(f"{name}, {DETECTED}", scores[DETECTED], "higher", others)
