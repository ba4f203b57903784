"""Objects of an image: photos with several, photos that cut one off, collages, and what plain photos lose by it.

Photos are made from those of the data and their true masks: cut-outs before a drawn backdrop, cut edges, and whole
photos put side by side. The baseline of the same run takes the whole foreground for one object, as a stream without
objects would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.backbones import Backbone, load_backbone
from index.backbones.crop import main_components
from index.views import ObjectView
from ops.bench.reconstruct import read_pictures
from ops.bench.report import Measure, Report
from ops.bench.truth import Truth, load_truth
from ops.errors import ConfigError, RejectError
from ops.synth.backdrop import random_backdrop

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Tell = Callable[[str], None]
Masked = Sequence[tuple[Picture, Mask]]
Drawn = Sequence[tuple[Picture, Mask | None]]
"""Photos with their true masks, if there are any."""
_SIDE = 448
_EXTENTS = (0.28, 0.42)
"""Longer side of a cut-out over the canvas' side."""
_GAP = 0.04
_SAME = 0.5
"""Intersection over union of a found and a true mask from which on they are the same object."""
_CUTS = (0.1, 0.3, 0.5)
_GUTTER = 6
_PLAIN = 5
"""Photos that are looked at as they are for each that is composed of a kind."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is tried.

    Attributes:
        photos: composed photos of each kind, of each set.
        backbone: finds and describes the objects.
        seed: draws photos, places and backdrops.
    """

    photos: int = 40
    backbone: str = "embedded"
    seed: int = 0


def run(folders: Sequence[Path], settings: Settings, tell: Tell) -> Report:
    """Looks at photos of each folder as they are and, where it has true masks, composes others of them.

    Raises:
        ConfigError: a folder has too few photos.
        BackboneError: the backbone can't be loaded.
    """
    encoder = load_backbone(settings.backbone)
    measures: list[Measure] = []
    for folder in folders:
        rng = np.random.default_rng(settings.seed)
        photos = _drawn(folder, load_truth(folder), settings.photos, rng)
        for measure in _measured(folder.name, encoder, photos, settings.photos, rng):
            tell(f"{measure.name}: {measure.value:.3g}")
            measures.append(measure)
    return Report("objects of an image", measures, {"photos of each kind": settings.photos, "seed": settings.seed})


def _measured(name: str, encoder: Backbone, photos: Drawn, count: int, rng: np.random.Generator) -> Iterator[Measure]:
    yield from _plain(name, encoder, [picture for picture, _ in photos])
    masked = [(picture, mask) for picture, mask in photos if mask is not None]
    if not masked:
        return
    for objects in (2, 3):
        yield from _composed(name, encoder, [compose(masked, objects, rng) for _ in range(count)], objects)
    for share in _CUTS:
        cuts = [cut_off(picture, mask, share, rng) for picture, mask in masked[:count]]
        title = f"{name}: cut off by {share:.0%}, refused as such"
        yield Measure(title, _refused(encoder.embed_objects(cuts), "cut_off"))
    for rows, columns in ((1, 2), (2, 2)):
        for gutter in (0, _GUTTER):
            made = [collage([photo for photo, _ in masked], rows, columns, gutter, rng) for _ in range(count)]
            title = (
                f"{name}: collages of {rows} x {columns}, {'with' if gutter else 'without'} gutters, refused as such"
            )
            yield Measure(title, _refused(encoder.embed_objects(made), "collage"))


def _plain(name: str, encoder: Backbone, pictures: Sequence[Picture]) -> Iterator[Measure]:
    """What photos lose that show one whole object, or should."""
    found = encoder.embed_objects(pictures)
    several = sum(isinstance(one, list) and len(one) > 1 for one in found) / len(found)
    yield Measure(f"{name}: photos as they are, taken for several objects", several, "context")
    for reason in ("cut_off", "collage"):
        yield Measure(f"{name}: photos as they are, refused as {reason}", _refused(found, reason), "context")


@dataclass(frozen=True, slots=True)
class Composed:
    """A photo of several objects.

    Attributes:
        picture: ``(H, W, 3)``.
        masks: ``(H, W)`` of each object.
    """

    picture: Picture
    masks: list[Mask]


def compose(photos: Masked, objects: int, rng: np.random.Generator) -> Composed:
    """Cut-outs of photos before a drawn backdrop, their boxes apart."""
    canvas = random_backdrop(rng, _SIDE)[1] * 255
    masks: list[Mask] = []
    taken: list[tuple[int, int, int, int]] = []
    while len(masks) < objects:
        picture, mask = photos[int(rng.integers(len(photos)))]
        pixels, alpha = _cut_out(picture, mask, rng.uniform(*_EXTENTS) * _SIDE)
        height, width = alpha.shape
        y, x = int(rng.integers(_SIDE - height)), int(rng.integers(_SIDE - width))
        box = (y, x, y + height, x + width)
        if any(_near(box, other) for other in taken):
            if rng.random() < 0.02:
                return compose(photos, objects, rng)  # the others leave no room
            continue
        window = canvas[y : y + height, x : x + width]
        window[:] = window * (1 - alpha[..., None]) + pixels * alpha[..., None]
        placed = np.zeros((_SIDE, _SIDE), bool)
        placed[y : y + height, x : x + width] = alpha > 0.5
        masks.append(placed)
        taken.append(box)
    return Composed(canvas.clip(0, 255).astype(np.uint8), masks)


def cut_off(picture: Picture, mask: Mask, share: float, rng: np.random.Generator) -> Picture:
    """A photo whose edge takes a share of its object's pixels away, at a side drawn at random."""
    turns = int(rng.integers(4))
    turned, shown = np.rot90(picture, turns), np.rot90(mask, turns)
    kept = np.cumsum(shown.sum(axis=0)[::-1])[::-1] / shown.sum()
    column = int(np.flatnonzero(kept >= 1 - share)[-1])
    return np.ascontiguousarray(np.rot90(turned[:, column:], -turns))


def collage(photos: Sequence[Picture], rows: int, columns: int, gutter: int, rng: np.random.Generator) -> Picture:
    """Photos in a grid, with white between them if there is a gutter."""
    side = _SIDE // max(rows, columns)
    canvas = np.full((rows * (side + gutter) - gutter, columns * (side + gutter) - gutter, 3), 255, np.uint8)
    for place in range(rows * columns):
        picture = photos[int(rng.integers(len(photos)))]
        y, x = (place // columns) * (side + gutter), (place % columns) * (side + gutter)
        canvas[y : y + side, x : x + side] = np.asarray(Image.fromarray(picture).resize((side, side)))
    return canvas


def _composed(name: str, encoder: Backbone, made: Sequence[Composed], objects: int) -> Iterator[Measure]:
    pictures = [one.picture for one in made]
    found = [[] if isinstance(views, RejectError) else views for views in encoder.embed_objects(pictures)]
    main = [[] if isinstance(view, RejectError) else [view] for view in encoder.embed(pictures)]
    total = sum(len(one.masks) for one in made)
    ours, alone = (_matched(made, views) for views in (found, main))
    yield Measure(f"{name}: {objects} objects, found", ours / total, "higher", {"main object": alone / total})
    right = {"main object": alone / max(sum(map(len, main)), 1)}
    yield Measure(
        f"{name}: {objects} objects, right of what is taken", ours / max(sum(map(len, found)), 1), "higher", right
    )


def _matched(made: Sequence[Composed], found: Sequence[Sequence[ObjectView]]) -> int:
    """True objects that one of the found ones covers."""
    return sum(
        max((_overlap(mask, view) for view in views), default=0.0) >= _SAME
        for one, views in zip(made, found, strict=True)
        for mask in one.masks
    )


def _overlap(mask: Mask, view: ObjectView) -> float:
    """Intersection over union of a true mask and a view's, in the picture."""
    shown = in_picture(view, mask.shape)
    union = int((mask | shown).sum())
    return int((mask & shown).sum()) / union if union else 0.0


def in_picture(view: ObjectView, shape: tuple[int, ...]) -> Mask:
    """The mask ``(H, W)`` of a view in its picture."""
    height, width = shape[:2]
    x0, y0, x1, y1 = view.box
    rows = ((np.arange(height) + 0.5 - y0) / (y1 - y0) * len(view.mask)).astype(int)
    columns = ((np.arange(width) + 0.5 - x0) / (x1 - x0) * len(view.mask)).astype(int)
    inside = ((rows >= 0) & (rows < len(view.mask)))[:, None] & ((columns >= 0) & (columns < len(view.mask)))[None]
    shown: Mask = view.mask[np.clip(rows, 0, len(view.mask) - 1)[:, None], np.clip(columns, 0, len(view.mask) - 1)]
    return shown & inside


def _refused(found: Sequence[list[ObjectView] | RejectError], reason: str) -> float:
    return sum(isinstance(one, RejectError) and one.reason == reason for one in found) / len(found)


def _drawn(folder: Path, truth: Truth, count: int, rng: np.random.Generator) -> Drawn:
    keys = sorted(truth.images)
    if len(keys) < count:
        raise ConfigError(f"{folder} has {len(keys)} photos, {count} are wanted")
    chosen = [keys[place] for place in rng.permutation(len(keys))[: _PLAIN * count]]
    pictures = read_pictures(folder / "shards", set(chosen))
    return [(pictures[key], main_components(truth.mask(key)) if truth.has_mask(key) else None) for key in chosen]


def _cut_out(picture: Picture, mask: Mask, extent: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An object's pixels and how opaque they are, scaled to an extent."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    height, width = mask[part].shape
    scale = extent / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pixels = Image.fromarray(np.ascontiguousarray(picture[part])).resize(size, Image.Resampling.BILINEAR)
    alpha = Image.fromarray(mask[part].astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(pixels, float), np.asarray(alpha, float) / 255


def _near(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    gap = _GAP * _SIDE
    return one[0] < other[2] + gap and other[0] < one[2] + gap and one[1] < other[3] + gap and other[1] < one[3] + gap
