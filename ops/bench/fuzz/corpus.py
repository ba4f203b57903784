"""Whole tars and images of every kind that is read, for mutation."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

_EXIF = 0x0112
_KINDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("jpeg", "RGB", "JPEG", {}),
    ("jpeg progressive", "RGB", "JPEG", {"progressive": True}),
    ("jpeg grey", "L", "JPEG", {}),
    ("jpeg cmyk", "CMYK", "JPEG", {}),
    ("jpeg turned", "RGB", "JPEG", {"exif": True}),
    ("png", "RGB", "PNG", {}),
    ("png alpha", "RGBA", "PNG", {}),
    ("png palette", "P", "PNG", {"transparency": 3}),
    ("png 16 bit", "I;16", "PNG", {}),
    ("apng", "RGB", "PNG", {"save_all": True}),
    ("webp", "RGB", "WEBP", {}),
    ("webp lossless", "RGBA", "WEBP", {"lossless": True}),
    ("webp animated", "RGB", "WEBP", {"save_all": True}),
    ("gif", "P", "GIF", {}),
    ("gif animated", "P", "GIF", {"save_all": True}),
    ("bmp", "RGB", "BMP", {}),
    ("tiff", "RGB", "TIFF", {}),
    ("tiff lzw", "RGB", "TIFF", {"compression": "tiff_lzw"}),
    ("tiff jpeg", "RGB", "TIFF", {"compression": "jpeg"}),
    ("tiff deflate 16 bit", "I;16", "TIFF", {"compression": "tiff_adobe_deflate"}),
    ("mpo", "RGB", "MPO", {"save_all": True}),
)


@cache
def images() -> dict[str, bytes]:
    """One small image of each kind by name."""
    return {name: _image(mode, kind, dict(options)) for name, mode, kind, options in _KINDS}


def _image(mode: str, kind: str, options: dict[str, Any]) -> bytes:
    ramp = np.linspace(0, 255, 48 * 40).reshape(40, 48)
    pixels = np.stack([ramp, ramp[::-1], np.abs(ramp - 128)], axis=2).astype(np.uint8)
    picture = Image.fromarray((ramp * 257).astype(np.uint16)) if mode == "I;16" else Image.fromarray(pixels)
    picture = picture if mode == "I;16" else picture.convert(mode)
    if options.pop("exif", False):
        exif = Image.Exif()
        exif[_EXIF] = 6
        options["exif"] = exif
    if options.get("save_all"):
        options["append_images"] = [picture.transpose(Image.Transpose.ROTATE_180)]
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def tars() -> dict[str, bytes]:
    """A shard in each layout by name."""
    ustar = _tar(tarfile.USTAR_FORMAT, "a")
    return {
        "ustar": ustar,
        "pax": _tar(tarfile.PAX_FORMAT, "é" * 90),
        "gnu": _tar(tarfile.GNU_FORMAT, "long" * 60),
        "gzip": gzip.compress(ustar, mtime=0),
    }


def _tar(layout: int, prefix: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as tar:
        for number in range(6):
            key = f"{prefix}/{number:04d}"
            for suffix, data in (
                ("png", images()["png palette"]), ("json", json.dumps({"url": f"http://x/{number}"}).encode()),
                ("txt", b"a caption"),
            ):  # fmt: skip
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
