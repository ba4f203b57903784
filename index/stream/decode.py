"""Encoded bytes to RGB pixels, refusing what a crawl should not be able to do to us."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ops.errors import RejectError

MIN_SIDE = 16
MAX_SIDE = 20_000
MAX_PIXELS = 60_000_000
_QUARTER_TURNS = frozenset({5, 6, 7, 8})
_MODES = frozenset({"RGB", "RGBA", "L", "LA", "P", "1"})


def decode_image(raw: bytes, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Decodes one still image, upright by its EXIF tag and shrunk to fit ``max_side``.

    Args:
        raw: encoded image.
        max_side: longest side of the result in pixels.

    Returns:
        ``(H, W, 3)`` uint8 RGB, and the original ``(width, height)``.

    Raises:
        RejectError: reasons ``broken_image``, ``too_small``, ``too_large``, ``animated``, ``color_mode``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is checked before any pixel is decoded, below
            image = Image.open(io.BytesIO(raw))
            _check(image)
            return _pixels(image, max_side)
    except UnidentifiedImageError as error:
        raise RejectError("broken_image", "not a known image format") from error
    except Image.DecompressionBombError as error:
        raise RejectError("too_large", "decompression bomb") from error
    except (OSError, ValueError, SyntaxError, IndexError, TypeError, EOFError, struct.error) as error:
        raise RejectError("broken_image", str(error) or type(error).__name__) from error


def _check(image: Image.Image) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RejectError("too_large", f"{width} x {height} pixels")
    if min(width, height) < MIN_SIDE:
        raise RejectError("too_small", f"{width} x {height} pixels")
    if getattr(image, "n_frames", 1) > 1:
        raise RejectError("animated", f"{getattr(image, 'n_frames', 1)} frames")
    if image.mode not in _MODES:
        raise RejectError("color_mode", f"mode {image.mode}")


def _pixels(image: Image.Image, max_side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    width, height = image.size
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _QUARTER_TURNS
    image.draft("RGB", (max_side, max_side))  # lets JPEG decode at a fraction of its size
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "P"):
        upright = _on_grey(upright)
    rgb = upright.convert("RGB")
    rgb.thumbnail((max_side, max_side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(rgb), (height, width) if turned else (width, height)


def _on_grey(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    backdrop = Image.new("RGBA", rgba.size, (128, 128, 128, 255))
    return Image.alpha_composite(backdrop, rgba)
