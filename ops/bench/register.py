"""Registration: views of instances that a shape was not built from, the shape built with true cameras.

What single views tell of elevations is listened to, as in the daemon. Errors are of the very frame that the shape was
built in; nothing is aligned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from index.backbones import Backbone, load_backbone
from ops.bench.categories import Masks, drawn_of, views_of
from ops.bench.poses import random_rotations, rotation_errors, score_poses
from ops.bench.report import Measure, Report
from ops.bench.truth import Array, TrueImage, Truth, load_truth
from ops.errors import ReconstructionError, SourceError
from recon import ReconConfig, Reconstruction, Views, reconstruct, register
from recon.config import Effort

_TURNS = (0, 90)
"""Degrees about the vertical that the true frame is turned by: the plane of symmetry is across x in one of them."""
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What to register and to what.

    Attributes:
        names: categories; all if empty.
        views: photos drawn of each.
        masks: whose.
        effort: preset of the reconstruction.
        backbone: encoder of masks and features.
        device: torch device.
        seed: of the registration and the draw.
    """

    names: Sequence[str] = ()
    views: int = 100
    masks: Masks = "predicted"
    effort: Effort = "quick"
    backbone: str = "embedded"
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Placed:
    """Errors ``(N,)`` in degrees of registered views, those of random poses, and milliseconds a view by the clock."""

    errors: Array
    chance: Array
    milliseconds: float


def run(data: Path, settings: Settings, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Builds each category from some of its instances at a time and registers the others' views.

    Raises:
        NotFoundError: a category is not in the truth.
        SourceError: the folder has no shards or no truth, or tells no viewpoints or too few instances.
        BackboneError: the backbone can't be loaded.
    """
    truth, encoder = load_truth(data), load_backbone(settings.backbone, device=settings.device)
    measures: list[Measure] = []
    times: list[float] = []
    for name in truth.categories(settings.names):
        placed = _registered(data, truth, encoder, settings, name)
        times.append(placed.milliseconds)
        ours, chance = score_poses(placed.errors), score_poses(placed.chance)
        progress(f"{name}: {ours.median:.1f}°, {ours.under_30:.2f} under 30°, {placed.milliseconds:.0f} ms a view")
        measures += [
            Measure(f"{name}: rotation error, median °", ours.median, "lower", {"random poses": chance.median}),
            Measure(f"{name}: < 30°", ours.under_30, "higher", {"random poses": chance.under_30}),
        ]
    measures.append(Measure("ms a view, features at hand", float(np.mean(times)), "lower"))
    return Report(
        f"{data.name}: views of new instances registered to a shape of true cameras, {settings.masks} masks",
        measures,
        {"views": settings.views, "backbone": settings.backbone, "seed": settings.seed, "folds": _FOLDS},
    )


def _registered(data: Path, truth: Truth, encoder: Backbone, settings: Settings, name: str) -> _Placed:
    images = drawn_of(truth, name, settings.views, settings.seed)
    views = views_of(data, truth, encoder, images, settings.masks)
    true = np.stack([rotation for place in views.ids if (rotation := images[place].rotation) is not None])
    errors, spent = np.zeros(len(views)), 0.0
    for fold in _folds([images[place] for place in views.ids]):
        rest = np.setdiff1d(np.arange(len(views)), fold)
        built, turn = _built(views.take(rest), true[rest], settings)
        began = time.perf_counter()
        cameras = register(views.take(fold), built, seed=settings.seed, device=settings.device)
        spent += time.perf_counter() - began
        errors[fold] = rotation_errors(cameras.R.astype(float), true[fold], turn)
    chance = rotation_errors(random_rotations(len(views), settings.seed), true)
    return _Placed(errors, chance, 1e3 * spent / len(views))


def _folds(images: Sequence[TrueImage]) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Rows of the images of every fifth instance."""
    shapes = sorted({image.shape for image in images})
    if len(shapes) < 2:
        raise SourceError("registration to other instances needs two of them")
    for start in range(min(_FOLDS, len(shapes))):
        held = set(shapes[start::_FOLDS])
        yield np.array([row for row, image in enumerate(images) if image.shape in held])


def _built(views: Views, rotations: Array, settings: Settings) -> tuple[Reconstruction, Array]:
    """The shape that fits better of those in two frames, and the turn of its frame."""
    config = ReconConfig.preset(settings.effort)
    config = replace(config, max_views=max(config.max_views, len(views)))
    rivals = []
    for degrees in _TURNS:
        turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
        known = (rotations @ turn).astype(np.float32)
        built = reconstruct(views, config, rotations=known, seed=settings.seed, device=settings.device)
        if built.shape is not None:
            rivals.append((built.shape.quality.loss, built, turn))
    if not rivals:
        raise ReconstructionError("true cameras give no shape")
    _, built, turn = min(rivals, key=lambda rival: rival[0])
    return built, turn
