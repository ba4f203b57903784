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


QUADRANTS = np.array([[[220, 30, 30], [30, 200, 30]], [[30, 30, 220], [230, 230, 230]]], np.uint8)


def quadrants(width: int = 80, height: int = 40) -> Image.Image:
    """Red, green, blue and white, so that every turn and mirror shows."""
    return Image.fromarray(np.repeat(np.repeat(QUADRANTS, height // 2, axis=0), width // 2, axis=1))


def corners(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    return pixels[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_turn_is_applied_to_pixels_and_size(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, size = decode_image(encoded(quadrants(), kind, exif=exif), 512)
    # How each value of the tag is undone (Exif 2.32, section 4.6.4, A).
    upright = {
        1: QUADRANTS, 2: QUADRANTS[:, ::-1], 3: QUADRANTS[::-1, ::-1], 4: QUADRANTS[::-1],
        5: QUADRANTS.swapaxes(0, 1), 6: np.rot90(QUADRANTS, -1), 7: QUADRANTS[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(QUADRANTS),
    }[orientation]  # fmt: skip
    assert np.abs(corners(pixels).astype(int) - upright).max() < 40
    assert pixels.shape[:2] == ((40, 80) if orientation < 5 else (80, 40))
    assert size == ((80, 40) if orientation < 5 else (40, 80))


def test_a_turned_jpeg_that_is_shrunk_while_decoding_keeps_its_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, size = decode_image(encoded(quadrants(1600, 800), "JPEG", exif=exif), 100)
    assert pixels.shape == (100, 50, 3) and size == (800, 1600)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_colours_it_prints(kind: str) -> None:
    pixels, _ = decode_image(encoded(quadrants().convert("CMYK"), kind), 512)
    assert np.abs(corners(pixels).astype(int) - QUADRANTS).max() < 40


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (32, 1))
    pixels, _ = decode_image(encoded(Image.fromarray(ramp), kind), 512)
    assert np.abs(pixels[:, :, 0].astype(int) - ramp // 257).max() <= 1
    assert np.ptp(pixels, axis=2).max() == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ((200, 20, 20), (20, 20, 200))]
    raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    pixels, _ = decode_image(raw, 512)
    assert np.abs(pixels.astype(int) - (200, 20, 20)).max() < 12


def test_an_image_with_a_script_behind_it_is_that_image_and_a_script_before_it_is_none() -> None:
    script = b"<?php system($_GET['x']); ?><script>alert(1)</script>"
    whole = jpeg()
    assert np.array_equal(decode_image(whole + script, 512)[0], decode_image(whole, 512)[0])
    assert reason(script + whole) == "broken_image"


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
        (encoded(Image.new("F", (32, 32)), "TIFF"), "color_mode"),
        (encoded(Image.new("RGB", (32, 32)), "PPM"), "broken_image"),
        (encoded(Image.new("RGB", (32, 32)), "EPS"), "broken_image"),
        (encoded(Image.new("RGB", (32, 32)), "PDF"), "broken_image"),
        (encoded(Image.new("L", (1, 60_000)), "PNG"), "too_large"),
        (encoded(Image.new("L", (1, 1)), "PNG"), "too_small"),
        (huge_png(40_000, 20), "too_large"),
        (huge_png(15_000, 15_000), "too_large"),
        (huge_png(60_000, 60_000), "too_large"),
        (huge_png(64, 64), "broken_image"),
    ],
)
def test_what_cannot_be_used_is_named(raw: bytes, expected: str) -> None:
    assert reason(raw) == expected


def test_a_still_gif_is_fine() -> None:
    pixels, _ = decode_image(encoded(Image.new("P", (32, 32), 1), "GIF"), 512)
    assert pixels.shape == (32, 32, 3)
