"""How pixels, masks and vectors are laid out in the store."""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.views import CROP_SIZE

_JPEG_QUALITY = 90


def encode_crop(crop: NDArray[np.uint8]) -> bytes:
    """JPEG of a crop ``(S, S, 3)`` uint8."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def decode_crop(raw: bytes) -> NDArray[np.uint8]:
    """Crop ``(S, S, 3)`` uint8 of a stored JPEG."""
    return np.asarray(Image.open(io.BytesIO(raw), formats=("JPEG",)).convert("RGB"))


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Packed, deflated bits of a mask ``(CROP_SIZE, CROP_SIZE)``."""
    return zlib.compress(np.packbits(mask).tobytes())


def decode_mask(raw: bytes) -> NDArray[np.bool_]:
    """Mask ``(CROP_SIZE, CROP_SIZE)`` of its packed form."""
    bits = np.unpackbits(np.frombuffer(zlib.decompress(raw), np.uint8), count=CROP_SIZE * CROP_SIZE)
    return bits.reshape(CROP_SIZE, CROP_SIZE).astype(bool)


def encode_vector(vector: NDArray[np.float32]) -> bytes:
    """Descriptor ``(D,)`` as float16."""
    return vector.astype(np.float16).tobytes()


def decode_vector(raw: bytes) -> NDArray[np.float32]:
    """Descriptor ``(D,)`` float32 of its stored form."""
    return np.frombuffer(raw, np.float16).astype(np.float32)
