from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from index.stream.decode import decode_image
from ops.errors import RejectError
from tests.tars import jpeg


def reason(raw: bytes) -> str:
    with pytest.raises(RejectError) as caught:
        decode_image(raw, 512)
    return caught.value.reason


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_image_is_shrunk_and_its_size_kept() -> None:
    pixels, size = decode_image(jpeg(size=(640, 320)), 128)
    assert pixels.shape == (64, 128, 3) and pixels.dtype == np.uint8
    assert size == (640, 320)


def test_exif_turn_is_applied_to_pixels_and_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = encoded(Image.new("RGB", (80, 40)), "JPEG", exif=exif)
    pixels, size = decode_image(raw, 512)
    assert pixels.shape == (80, 40, 3) and size == (40, 80)


def test_transparency_falls_on_neutral_grey() -> None:
    pixels, _ = decode_image(encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0)), "PNG"), 512)
    assert np.all(pixels == 128)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "broken_image"),
        (b"<html></html>", "broken_image"),
        (jpeg()[: len(jpeg()) // 2], "broken_image"),
        (jpeg(size=(1, 1)), "too_small"),
        (jpeg(mode="CMYK"), "color_mode"),
        (encoded(Image.new("I;16", (32, 32)), "PNG"), "color_mode"),
        (huge_png(40_000, 20), "too_large"),
        (huge_png(15_000, 15_000), "too_large"),
        (huge_png(60_000, 60_000), "too_large"),
        (huge_png(64, 64), "broken_image"),
    ],
)
def test_what_cannot_be_used_is_named(raw: bytes, expected: str) -> None:
    assert reason(raw) == expected


def test_animation_is_named() -> None:
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    assert reason(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])) == "animated"


def test_a_still_gif_is_fine() -> None:
    pixels, _ = decode_image(encoded(Image.new("P", (32, 32), 1), "GIF"), 512)
    assert pixels.shape == (32, 32, 3)
