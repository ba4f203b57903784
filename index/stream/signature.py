"""What of a whole image survives when it is encoded, scaled or toned anew: by it near-copies are told."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

BITS = 63
"""Bits of a hash: the lowest 8 x 8 frequencies but for the constant one."""
THUMBNAIL = 16
"""Side of the thumbnail in pixels."""
MOST_APART = 4
"""Bits in which hashes of copies differ at most."""
LEAST_ALIKE = 0.985
"""Correlation of copies' thumbnails at least; neighbouring views of one plain thing stay below."""
_SIDE, _LOW = 32, 8
_FLAT = 2.0
"""Standard deviation in grey levels under which an image shows nothing to tell it by."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Of one image.

    Attributes:
        bits: which of the lowest frequencies lie above their median (Zauner 2010, "Implementation and benchmarking of
            perceptual image hash functions", section 3.2.1), `BITS` of them.
        thumbnail: `THUMBNAIL` x `THUMBNAIL` bytes of luminance.
    """

    bits: int
    thumbnail: bytes


def sign(image: NDArray[np.uint8]) -> Signature | None:
    """The signature of an RGB image ``(H, W, 3)``; None of one that shows nothing."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    if small.std() < _FLAT:
        return None
    low = dctn(small, norm="ortho")[:_LOW, :_LOW].ravel()[1:]
    bits = int("".join("1" if above else "0" for above in low > np.median(low)), 2)
    thumbnail = cv2.resize(small, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return Signature(bits, thumbnail.round().astype(np.uint8).tobytes())


def apart(one: int, other: int) -> int:
    """Bits in which two hashes differ."""
    return (one ^ other).bit_count()


def alike(one: bytes, other: bytes) -> float:
    """Correlation of two thumbnails."""
    first, second = (np.frombuffer(raw, np.uint8).astype(np.float64) for raw in (one, other))
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(np.linalg.norm(first) * np.linalg.norm(second), 1e-9))
