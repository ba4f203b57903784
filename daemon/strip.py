"""The versions of one shape side by side: what each looked like, what judged it and which images changed it."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from index.jobs import PREVIEW
from index.library import Library
from index.summaries import ShapeSummary
from ops.errors import NotFoundError

_PREVIEW, _THUMB, _GAP, _LINE = 256, 60, 12, 18
_ACROSS, _DOWN = 4, 2
_COLUMNS = 6
_INK, _FAINT, _GOOD, _LESS = (28, 30, 34), (110, 114, 122), (20, 110, 70), (150, 90, 20)


@dataclass(frozen=True, slots=True)
class Frame:
    """One version on the strip.

    Attributes:
        version: the version.
        preview: its picture, as PNG.
        gained: images that the version published before had no camera of, that fit this one.
        crops: the first of them as JPEG.
    """

    version: ShapeSummary
    preview: bytes
    gained: int
    crops: list[bytes]


def frames(library: Library, shape: int, *, candidates: bool = False) -> list[Frame]:
    """What a strip shows, oldest version first.

    Args:
        library: the library.
        shape: the shape.
        candidates: versions that were not published, too.

    Raises:
        NotFoundError: there is no such shape, or nothing of it to show.
    """
    wanted = {"published", "candidate"} if candidates else {"published"}
    found: list[Frame] = []
    before: set[int] = set()
    for version in library.versions(shape):
        if version.outcome not in wanted:
            continue
        fits = {camera.image for camera in library.cameras(shape, version.version) if camera.weight > 0}
        gained = sorted(fits - before)
        crops = [library.crop_jpeg(image) for image in _spread(gained, _ACROSS * _DOWN)]
        found.append(Frame(version, library.artifact(shape, PREVIEW, version.version), len(gained), crops))
        before = fits if version.outcome == "published" else before
    if not found:
        raise NotFoundError(f"shape {shape} has no version to show yet")
    return found


def draw_strip(shown: list[Frame]) -> Image.Image:
    """The strip as a picture."""
    height = 7 * _LINE + _PREVIEW + _DOWN * (_THUMB + 4) + 2 * _GAP
    columns, rows = min(len(shown), _COLUMNS), -(-len(shown) // _COLUMNS)
    strip = Image.new("RGB", (_GAP + columns * (_PREVIEW + _GAP), rows * height), "white")
    for place, frame in enumerate(shown):
        _draw_frame(strip, frame, _GAP + place % _COLUMNS * (_PREVIEW + _GAP), place // _COLUMNS * height + _GAP)
    return strip


def facts(version: ShapeSummary, gained: int) -> list[str]:
    """What a strip says of a version, in lines."""
    told = [f"after {version.at:,} images, {gained:,} of them new here"]
    if version.judge == "person":
        return [*told, f"rolled back to v{version.source}", f"level {version.level:.3f}"]
    if version.judge == "held_out":
        sign = "<" if version.held_out_loss < version.baseline_loss else ">="
        told.append(f"{version.held_out} unseen images judged it: against v{version.before}")
        told.append(f"loss {version.held_out_loss:.3f} {sign} {version.baseline_loss:.3f}")
    else:
        told.append({"": "nothing to compare it with", "fit": "judged by the images of its fit"}[version.judge])
    return [*told, f"level {version.level:.3f}"] if version.outcome == "published" else told


def _draw_frame(strip: Image.Image, frame: Frame, left: int, top: int) -> None:
    draw, version, below = ImageDraw.Draw(strip), frame.version, top + 7 * _LINE + _PREVIEW
    colour = _GOOD if version.outcome == "published" else _LESS
    draw.text((left, top), f"v{version.version}", _INK, ImageFont.load_default(16))
    draw.text((left + 44, top + 2), version.outcome, colour, ImageFont.load_default(13))
    top += 2 * _LINE
    with Image.open(io.BytesIO(frame.preview), formats=("PNG",)) as picture:
        preview = picture.convert("RGBA").resize((_PREVIEW, _PREVIEW))
    strip.paste(preview, (left, top), preview)
    top += _PREVIEW
    for line in facts(version, frame.gained):
        draw.text((left, top), line, _FAINT, ImageFont.load_default(12))
        top += _LINE
    for place, crop in enumerate(frame.crops):
        with Image.open(io.BytesIO(crop), formats=("JPEG",)) as image:
            thumb = image.convert("RGB").resize((_THUMB, _THUMB))
        strip.paste(thumb, (left + place % _ACROSS * (_THUMB + 4), below + place // _ACROSS * (_THUMB + 4)))


def _spread(images: list[int], most: int) -> list[int]:
    """So many of the images, evenly."""
    step = max(len(images) / most, 1.0)
    return [images[int(place * step)] for place in range(min(most, len(images)))]
