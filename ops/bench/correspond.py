"""Points followed between images of one shape, beside plain nearest neighbours of the same dense features.

PCK at 0.1: the share of points that come out within a tenth of the longer side of the object's box. Points are given in
one image of a shape and looked for in another that shows them too; all images of a shape take part, also those whose
cameras are wrong or that were taken for strangers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.views import ObjectView
from ops.bench.hull import hull_of_shape
from ops.bench.reconstruct import Picture, read_pictures
from ops.bench.report import Measure, Report
from ops.bench.true_points import TruePair, true_pairs
from ops.bench.truth import TrueCamera, Truth, load_truth
from ops.errors import SourceError
from recon import Cameras, Mesh, ReconConfig, Reconstruction, Views, reconstruct
from recon.camera import Pinholes, select_cameras
from recon.canonical import lift, locate, surface_points
from recon.config import Effort
from recon.correspond import Looks, draw_to_features
from recon.geometry import pixel_grid

SHARE = 0.1
PLAIN, PLAIN_INSIDE = "nearest neighbours", "nearest neighbours in the mask"
THROUGH, REFINED = "through the shape", "through the shape, refined"
ORACLE, ORACLE_REFINED = "through the oracle's", "through the oracle's, refined"
_SEARCHED = 64  # cells along a side of the crop in which neighbours are looked for
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        shapes: names of shapes; all if empty.
        views: images of each shape at most.
        effort: preset of the reconstruction.
        backbone: encoder of masks and features.
        targets: images to look in for each image.
        points: tried in each pair of images.
        seed: of the reconstruction and the draw of points.
        keep: folder of reconstructions to use again; None for none.
    """

    shapes: Sequence[str] = ()
    views: int = 100
    effort: Effort = "quick"
    backbone: str = "embedded"
    targets: int = 6
    points: int = 16
    seed: int = 0
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Images of a shape in which an object was found.

    Attributes:
        keys: of the images.
        views: of their objects.
        boxes: ``(N, 3)`` corner and side of each crop, in shares of its image's side.
    """

    keys: list[str]
    views: Views
    boxes: Tensor


@dataclass(frozen=True, slots=True)
class Track:
    """Points given in one image and wanted in another, as crop coordinates in [-1, 1].

    Attributes:
        source: row of the image they are given in.
        target: row of the image they are wanted in.
        given: ``(P, 2)``.
        wanted: ``(P, 2)``.
        radius: how far off a point may be, in half crop sides of the target.
    """

    source: int
    target: int
    given: Tensor
    wanted: Tensor
    radius: float


def run(data: Path, settings: Settings, tell: Callable[[str], None] = lambda line: None) -> Report:
    """Follows points through recovered shapes and through an oracle's, and by features alone.

    Args:
        data: folder with shards and truth.
        settings: what and how.
        tell: told one line a shape.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: the folder has no shards or no truth.
    """
    truth = load_truth(data)
    found: dict[str, dict[str, float]] = {}
    for name, seen, known in recovered(data, truth, settings, tell):
        tracks = _tracks(seen, true_pairs(truth, seen.keys, settings.targets, settings.points, settings.seed))
        found[name] = score(truth, name, seen, known, tracks)
        tell(f"{name}: " + ", ".join(f"{method} {value:.3f}" for method, value in found[name].items()))
    return _report(data, settings, found, truth.wanted(settings.shapes))


def recovered(
    data: Path, truth: Truth, settings: Settings, tell: Callable[[str], None]
) -> Iterator[tuple[str, Seen, Reconstruction]]:
    """Shapes by name, what was seen of them and what was reconstructed; those without a shape are told of and left out.

    Raises:
        NotFoundError: a named shape is not in the truth.
        SourceError: the folder has no shards.
    """
    encoder = load_backbone(settings.backbone)
    for name in truth.wanted(settings.shapes):
        keys = [image.key for image in truth.of_shape(name)][: settings.views]
        pictures = read_pictures(data / "shards", set(keys))
        seen = find_objects(encoder, keys, [pictures[key] for key in keys])
        known = reconstructed(name, seen.views, settings)
        if known.shape is None:
            tell(f"{name}: left out, {known.verdict}: {known.reason}")
            continue
        yield name, seen, known


def find_objects(encoder: Backbone, keys: Sequence[str], pictures: Sequence[Picture]) -> Seen:
    """The objects in images; images without one are left out.

    Raises:
        SourceError: that is all of them.
    """
    objects = [
        (key, view) for key, view in zip(keys, encoder.embed(pictures), strict=True) if isinstance(view, ObjectView)
    ]
    if not objects:
        raise SourceError("no object was found in any image")
    crops, masks = (np.stack([getattr(view, name) for _, view in objects]) for name in ("crop", "mask"))
    sizes = np.array([view.image_size for _, view in objects], np.float64)
    corners = np.array([view.box[:2] for _, view in objects]) / sizes
    sides = np.array([[view.box[2] - view.box[0]] for _, view in objects]) / sizes[:, :1]
    views = make_views(encoder, np.arange(len(objects), dtype=np.int64), crops, masks)
    boxes = torch.tensor(np.hstack([corners, sides]), dtype=torch.float32)
    return Seen([key for key, _ in objects], views, boxes)


def score(truth: Truth, name: str, seen: Seen, known: Reconstruction, tracks: Sequence[Track]) -> dict[str, float]:
    """Share of points that each method gets right."""
    assert known.shape is not None  # or there is nothing to go through
    looks = Looks.of(torch.from_numpy(seen.views.features), torch.from_numpy(seen.views.masks))
    hull = hull_of_shape(truth, name)
    body = Mesh(np.asarray(hull.vertices, np.float32), np.asarray(hull.faces, np.int32), np.zeros((0, 3), np.uint8))
    cameras = [truth.images[key].camera for key in seen.keys]
    oracle = crop_cameras([camera for camera in cameras if camera is not None], seen.boxes)
    with torch.inference_mode():
        ways = {
            PLAIN: [neighbours(looks, track, False) for track in tracks],
            PLAIN_INSIDE: [neighbours(looks, track, True) for track in tracks],
            THROUGH: _through(known.shape.mesh, known.shape.cameras, tracks, None),
            REFINED: _through(known.shape.mesh, known.shape.cameras, tracks, looks),
            ORACLE: _through(body, oracle, tracks, None),
            ORACLE_REFINED: _through(body, oracle, tracks, looks),
        }
    return {way: pck(points, tracks) for way, points in ways.items()}


def pck(found: Sequence[Tensor], tracks: Sequence[Track]) -> float:
    """Share of all points within the radius of where they are wanted."""
    right = [(points - track.wanted).norm(dim=-1) <= track.radius for points, track in zip(found, tracks, strict=True)]
    return float(torch.cat(right).float().mean())


def neighbours(looks: Looks, track: Track, inside: bool) -> Tensor:
    """Where the target's features are most like those of each point ``(P, 2)``.

    Args:
        looks: of all images.
        track: the points.
        inside: look in the target's mask alone.
    """
    grid = pixel_grid(_SEARCHED, _CPU)
    source, target = _one(looks, track.source), _one(looks, track.target)
    likeness = source.at(track.given[None])[0] @ target.at(grid[None])[0].T
    if inside:
        likeness[:, target.foreground(grid[None])[0] < 0.5] = -torch.inf
    return grid[likeness.argmax(1)]


def crop_cameras(cameras: Sequence[TrueCamera], boxes: Tensor) -> Cameras:
    """True cameras of whole images as cameras of their crops ``(N, 3)``, see `Seen`."""
    corner, side = boxes[:, :2].double().numpy(), boxes[:, 2].double().numpy()
    focal = np.array([1 / np.tan(camera.fov / 2) for camera in cameras]) / side
    parts = (
        np.stack([camera.R for camera in cameras]), np.stack([camera.t for camera in cameras]),
        2 * np.arctan(1 / focal), 2 * (0.5 - corner) / side[:, None] - 1, np.zeros(len(cameras)), np.ones(len(cameras)),
    )  # fmt: skip
    return Cameras(*(part.astype(np.float32) for part in parts))


def _through(mesh: Mesh, cameras: Cameras, tracks: Sequence[Track], looks: Looks | None) -> list[Tensor]:
    surface = surface_points(mesh, _CPU)
    found = []
    for source, group in groupby(tracks, lambda track: track.source):
        eye = _eyes(cameras, source)
        for track in group:
            points = lift(surface, eye, track.given[None]).points[0]
            located = locate(surface, _eyes(cameras, track.target), points)
            if looks is not None:
                wanted = _one(looks, source).at(track.given[None])[0]
                located = draw_to_features(located, wanted, _one(looks, track.target))
            found.append(located.image[0])
    return found


def _eyes(cameras: Cameras, row: int) -> Pinholes:
    return Pinholes.of(select_cameras(cameras, np.array([row])), _CPU)


def _one(looks: Looks, row: int) -> Looks:
    return Looks(looks.features[row : row + 1], looks.masks[row : row + 1])


def _tracks(seen: Seen, pairs: Sequence[TruePair]) -> list[Track]:
    tracks = []
    for pair in pairs:
        given, wanted = (
            2 * (torch.tensor(points, dtype=torch.float32) - seen.boxes[row, :2]) / seen.boxes[row, 2] - 1
            for points, row in ((pair.given, pair.source), (pair.wanted, pair.target))
        )
        radius = 2 * SHARE * pair.size / float(seen.boxes[pair.target, 2])
        tracks.append(Track(pair.source, pair.target, given, wanted, radius))
    return tracks


def reconstructed(name: str, views: Views, settings: Settings) -> Reconstruction:
    """The reconstruction of a shape from its views, or the one that was kept."""
    path = settings.keep and settings.keep / f"{name}-{settings.effort}-{len(views)}-{settings.seed}.safetensors"
    if path is not None and path.is_file():
        return Reconstruction.from_bytes(path.read_bytes())
    found = reconstruct(views, ReconConfig.preset(settings.effort), seed=settings.seed)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found.to_bytes())
    return found


def _report(data: Path, settings: Settings, found: dict[str, dict[str, float]], names: Sequence[str]) -> Report:
    measures = []
    if found:
        mean = {way: float(np.mean([scores[way] for scores in found.values()])) for way in next(iter(found.values()))}
        measures = [_measure("PCK@0.1", way, mean) for way in (THROUGH, REFINED)]
        measures += [_measure(f"{name}: PCK@0.1", REFINED, scores) for name, scores in found.items()]
    facts: dict[str, str | int | float] = {
        "backbone": settings.backbone, "effort": settings.effort, "seed": settings.seed, "shapes": len(names),
        "with a shape": len(found), "images looked in for each": settings.targets, "points a pair": settings.points,
        "oracle": "true cameras, and the visual hull of true masks",
    }  # fmt: skip
    return Report(f"{data.name}: points followed between images of one shape", measures, facts)


def _measure(name: str, way: str, scores: dict[str, float]) -> Measure:
    others = {other: value for other, value in scores.items() if other not in (way, THROUGH, REFINED)}
    return Measure(f"{name}, {way}", scores[way], "higher", others)
