"""Cold starts from photos of many instances of a category, such as ETH-80's: cameras against the truth.

Such data tell from where each photo was taken but hold no meshes, so cameras alone are judged.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.backbones.crop import BACKDROP, box_around, cut, main_components
from ops.bench.poses import random_rotations, rotation_errors, score_poses
from ops.bench.reconstruct import Picture, find_views, read_pictures
from ops.bench.report import Measure, Report
from ops.bench.trials import RIVAL
from ops.bench.truth import Array, TrueImage, Truth, load_truth
from ops.errors import SourceError
from recon import ReconConfig, reconstruct
from recon.config import Effort, Recipe
from recon.types import Views

Masks = Literal["true", "predicted"]
_STEEPEST = 70.0
"""Greatest elevation in degrees: from straight above all azimuths look alike."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to reconstruct and how.

    Attributes:
        categories: by name; all if empty.
        views: photos drawn of each category.
        masks: whose.
        subsets: draws of photos.
        seeds: reconstructions of each draw.
        effort: preset of the reconstruction.
        backbone: encoder of masks and features.
        device: torch device.
        rival: reconstruct by the 3DMiner recipe, too.
    """

    categories: Sequence[str] = ()
    views: int = 100
    masks: Masks = "predicted"
    subsets: int = 1
    seeds: int = 1
    effort: Effort = "quick"
    backbone: str = "embedded"
    device: str = "cpu"
    rival: bool = True


@dataclass(frozen=True, slots=True)
class _Run:
    """One reconstruction: errors ``(N,)`` in degrees of all of its views, 180 for each where there is no shape."""

    category: str
    recipe: Recipe
    errors: Array
    chance: Array
    seconds: float
    verdict: str


def run(data: Path, settings: Settings, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Reconstruct draws of each category's photos and compare their cameras with the truth.

    Raises:
        NotFoundError: a category is not in the truth.
        SourceError: the folder has no shards or no truth, or tells no viewpoints.
        BackboneError: the backbone can't be loaded.
    """
    truth = load_truth(data)
    encoder = load_backbone(settings.backbone, device=settings.device)
    runs: list[_Run] = []
    for category, subset in itertools.product(truth.categories(settings.categories), range(settings.subsets)):
        for one in _runs(data, truth, encoder, settings, category, subset):
            runs.append(one)
            score = score_poses(one.errors)
            progress(
                f"{category}, subset {subset}, {one.recipe}: {one.verdict}, {one.seconds:.0f} s; "
                f"{score.median:.0f}°, {score.under_30:.2f} under 30°, {score.over_120:.2f} over 120°"
            )
    ours = [one for one in runs if one.recipe == "shapelode"]
    return Report(
        f"{data.name}: cameras of {settings.views} photos a category, {settings.masks} masks",
        [measure for category in dict.fromkeys(one.category for one in ours) for measure in _measures(runs, category)],
        {
            "backbone": settings.backbone, "effort": settings.effort, "subsets": settings.subsets,
            "seeds": settings.seeds, "seconds, median": float(np.median([one.seconds for one in ours])),
        },
    )  # fmt: skip


def _runs(
    data: Path, truth: Truth, encoder: Backbone, settings: Settings, category: str, subset: int
) -> Iterator[_Run]:
    images = drawn_of(truth, category, settings.views, subset)
    views = views_of(data, truth, encoder, images, settings.masks)
    rotations = [image.rotation for image in images]
    true = np.stack([rotation for place in views.ids if (rotation := rotations[place]) is not None])
    recipes: tuple[Recipe, ...] = ("shapelode", "3dminer") if settings.rival else ("shapelode",)
    for seed, recipe in itertools.product(range(settings.seeds), recipes):
        began = time.perf_counter()
        found = reconstruct(views, ReconConfig.preset(settings.effort, recipe), seed=seed, device=settings.device)
        seconds = time.perf_counter() - began
        errors, known = np.full(len(true), 180.0), found.shape
        if known is not None:
            order = {int(number): place for place, number in enumerate(found.ids)}
            R = np.stack([known.cameras.R[order[int(number)]] for number in views.ids]).astype(float)
            errors = rotation_errors(R, true)
        chance = rotation_errors(random_rotations(len(true), seed), true)
        yield _Run(category, recipe, errors, chance, seconds, found.verdict)


def views_of(data: Path, truth: Truth, encoder: Backbone, images: Sequence[TrueImage], masks: Masks) -> Views:
    """What a reconstruction sees of images by true or predicted masks; ``ids`` are their positions in the list."""
    pictures = read_pictures(data / "shards", {image.key for image in images})
    shown = [pictures[image.key] for image in images]
    if masks == "true":
        return true_views(encoder, shown, [truth.mask(image.key) for image in images])
    return find_views(encoder, shown)


def drawn_of(truth: Truth, category: str, count: int, subset: int) -> list[TrueImage]:
    """Photos of a category that were not taken from nearly straight above.

    Raises:
        SourceError: the truth does not tell from where they were taken.
    """
    images = sorted(truth.of_category(category), key=lambda image: image.key)
    seen = [image for image in images if image.rotation is not None and _elevation(image.rotation) < _STEEPEST]
    if not seen:
        raise SourceError(f"the truth does not tell from where photos of {category} were taken")
    drawn = np.random.default_rng(subset).permutation(len(seen))[:count]
    return [seen[place] for place in sorted(drawn)]


def _elevation(rotation: Array) -> float:
    """Degrees of the camera over the object; the object's y axis is up."""
    return float(np.degrees(np.arcsin(np.clip(-rotation[2, 1], -1, 1))))


def true_views(backbone: Backbone, pictures: Sequence[Picture], masks: Sequence[NDArray[np.bool_]]) -> Views:
    """What a reconstruction sees of images whose masks ``(H, W)`` are given; ``ids`` are their positions in the list.

    Raises:
        SourceError: a mask holds no object.
    """
    crops, cuts = [], []
    for picture, mask in zip(pictures, masks, strict=True):
        if not mask.any():
            raise SourceError("a true mask holds no object")
        box = box_around(main_components(mask), (picture.shape[1], picture.shape[0]))
        crops.append(cut(picture, box, BACKDROP))
        cuts.append(cut(mask.astype(np.float32), box, 0.0) > 0.5)
    return make_views(backbone, np.arange(len(crops)), np.stack(crops), np.stack(cuts))


def _measures(runs: Sequence[_Run], category: str) -> list[Measure]:
    own = [one for one in runs if one.category == category]
    ours = score_poses(np.concatenate([one.errors for one in own if one.recipe == "shapelode"]))
    others = {"random poses": score_poses(np.concatenate([one.chance for one in own]))}
    if theirs := [one.errors for one in own if one.recipe == "3dminer"]:
        others[RIVAL] = score_poses(np.concatenate(theirs))
    worst = min(score_poses(one.errors).under_30 for one in own if one.recipe == "shapelode")
    return [
        Measure(
            f"{category}: rotation error, median °", ours.median, "lower", {n: o.median for n, o in others.items()}
        ),
        Measure(f"{category}: < 30°", ours.under_30, "higher", {n: o.under_30 for n, o in others.items()}),
        Measure(f"{category}: < 30°, worst run", worst, "higher"),
        Measure(f"{category}: > 120°", ours.over_120, "lower", {n: o.over_120 for n, o in others.items()}),
    ]
