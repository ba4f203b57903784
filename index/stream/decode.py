"""Encoded bytes to RGB pixels, refusing what a crawl should not be able to do to us."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray

# Imported here, since a sandboxed decoder may open no file later on.
from PIL import (  # noqa: F401  # noqa: F401
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ops.errors import RejectError

MIN_SIDE = 16
MAX_SIDE = 20_000
MAX_PIXELS = 60_000_000
REASONS = frozenset({"broken_image", "too_small", "too_large", "color_mode", "decode_memory"})
"""Why an image may be refused."""
# Pillow knows forty formats more, one of which hands the file to Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_QUARTER_TURNS = frozenset({5, 6, 7, 8})
_WIDE_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_MODES = frozenset({"RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr"}) | _WIDE_MODES


def decode_image(raw: bytes, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Decodes one image, upright by its EXIF tag and shrunk to fit ``max_side``; of an animation the first frame.

    Args:
        raw: encoded image.
        max_side: longest side of the result in pixels.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and the original ``(width, height)``.

    Raises:
        RejectError: with one of `REASONS`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is checked before any pixel is decoded, below
            with Image.open(io.BytesIO(raw), formats=_FORMATS) as image:
                _check(image)
                return _pixels(image, max_side)
    except RejectError:
        raise
    except UnidentifiedImageError as error:
        raise RejectError("broken_image", "not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise RejectError("too_large", "decompression bomb") from error
    except MemoryError as error:
        raise RejectError("decode_memory", "decoding takes more memory than allowed") from error
    except Exception as error:  # decoders of broken files raise whatever their parsing runs into
        raise RejectError("broken_image", f"{type(error).__name__}: {error}"[:200]) from error


def _check(image: Image.Image) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RejectError("too_large", f"{width} x {height} pixels")
    if min(width, height) < MIN_SIDE:
        raise RejectError("too_small", f"{width} x {height} pixels")
    if image.mode not in _MODES:
        raise RejectError("color_mode", f"mode {image.mode}")


def _pixels(image: Image.Image, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    size = image.size
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
    image.draft("RGB", (max_side, max_side))  # lets JPEG decode at a fraction of its size
    drafted = image.size != size
    upright = ImageOps.exif_transpose(image)
    if not drafted:
        size = upright.size
    elif turned:
        size = (size[1], size[0])
    rgb = _rgb(upright)
    rgb.thumbnail((max_side, max_side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(rgb), size


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "P", "PA") or "transparency" in image.info:
        return _on_grey(image).convert("RGB")
    return image.convert("RGB")


def _on_grey(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    backdrop = Image.new("RGBA", rgba.size, (128, 128, 128, 255))
    return Image.alpha_composite(backdrop, rgba)
