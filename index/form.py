"""What a surface is like in form, as a few hundred numbers that do not depend on how it is turned about its vertical.

Points of the surface are binned by height and by distance from the vertical axis; of each bin the Fourier coefficients
over the angle about that axis are kept, as Kazhdan et al., 'Rotation Invariant Spherical Harmonic Representation of 3D
Shape Descriptors' (SGP 2003) do on spheres. Turning the surface changes only their phases, so the turn that lays one
surface best on another is the peak of a correlation, and how alike they are is its height.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Spectra = NDArray[np.complex64]
Packed = NDArray[np.float16]

HEIGHTS, RADII, HARMONICS = 12, 6, 7
SPECTRUM = (HEIGHTS, RADII, HARMONICS)
PACKED_BYTES = 4 * HEIGHTS * RADII * HARMONICS
_POINTS = 8192
_BLUR = 0.2  # radians of the angle; recovered surfaces are no sharper
_REACH = 2.0  # of bins to each side, in root mean square distances from the middle; what is farther is in the last
_TURNS = 72
_CHUNK = 2048


def spectrum(vertices: Floats, faces: NDArray[np.int64]) -> Spectra:
    """The form of a surface, of unit length; the same every time.

    Args:
        vertices: ``(V, 3)``, y up; place and size are of no account.
        faces: ``(F, 3)``.

    Returns:
        ``(HEIGHTS, RADII, HARMONICS)`` complex64; all zero for a surface without an area.
    """
    points = _spread(vertices, faces)
    if not len(points):
        return np.zeros(SPECTRUM, np.complex64)
    # Its middle and size are those of its points: those of a box around it would change as it is turned.
    points = points - points.mean(0)
    points /= max(float(np.sqrt((points**2).sum(1).mean())), 1e-12)
    height, level = _soft((points[:, 1] / _REACH + 1) / 2 * HEIGHTS - 0.5, HEIGHTS)
    radius, ring = _soft(np.hypot(points[:, 0], points[:, 2]) / _REACH * RADII - 0.5, RADII)
    order = np.arange(HARMONICS)
    waves = np.exp(-1j * np.arctan2(points[:, 0], points[:, 2])[:, None] * order)
    total = np.zeros((HEIGHTS * RADII, HARMONICS), np.complex128)
    for up in (0, 1):
        for out in (0, 1):
            share = (height[:, up] * radius[:, out])[:, None]
            np.add.at(total, level[:, up] * RADII + ring[:, out], share * waves)
    # Lengths of what is seen rather than their squares: large flat parts would drown all else.
    strength = np.sqrt(np.abs(total[:, :1]) + 1e-12)
    damped = total / strength * np.exp(-((order * _BLUR) ** 2) / 2)
    found = damped.reshape(SPECTRUM)
    return (found / max(_length(found), 1e-12)).astype(np.complex64)


def pack(found: Spectra) -> bytes:
    """A form as it is kept: two half-precision numbers a coefficient."""
    return np.ascontiguousarray(found, np.complex64).view(np.float32).astype("<f2").tobytes()


def unpack(raw: bytes) -> Spectra | None:
    """A form as it was packed; None if it was none."""
    return _loosened(np.frombuffer(raw, "<f2")[None])[0] if len(raw) == PACKED_BYTES else None


def packed_rows(raw: list[bytes]) -> Packed:
    """Forms as they were packed, as rows ``(N, PACKED_BYTES / 2)`` to be compared with one."""
    return np.frombuffer(b"".join(raw), "<f2").reshape(len(raw), PACKED_BYTES // 2)


def _loosened(rows: Packed) -> Spectra:
    return rows.astype(np.float32).view(np.complex64).reshape(len(rows), *SPECTRUM)


def likeness(asked: Spectra, others: Packed) -> tuple[Floats, Floats]:
    """How alike a form and others are at the turn at which they are most alike.

    Args:
        asked: one form.
        others: rows of `packed_rows`; they are unpacked a few at a time.

    Returns:
        Likeness ``(N,)`` in [0, 1], and degrees ``(N,)`` in [0, 360) by which the other has to be turned about its
        vertical, from its front to the right of who looks at it, to lie on the one that is asked about.
    """
    turns = 2 * np.pi * np.arange(_TURNS) / _TURNS
    order = np.arange(HARMONICS)
    back = np.exp(1j * order[:, None] * turns) * np.where(order[:, None], 2.0, 1.0)
    score, turn = np.zeros(len(others)), np.zeros(len(others))
    for first in range(0, len(others), _CHUNK):
        part = _loosened(others[first : first + _CHUNK])
        shared = (asked[None] * part.conj()).sum((1, 2))
        found = (shared @ back).real
        score[first : first + len(part)] = found.max(1)
        turn[first : first + len(part)] = np.degrees(turns[found.argmax(1)])
    return np.clip(score, 0, 1), turn


def _length(found: NDArray[np.complex128]) -> float:
    power = np.abs(found) ** 2
    return float(np.sqrt(power[..., 0].sum() + 2 * power[..., 1:].sum()))


def _spread(vertices: Floats, faces: NDArray[np.int64]) -> Floats:
    """Points spread over a surface by area."""
    corners = vertices[faces]
    sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(*sides), axis=1)
    if not np.isfinite(area).all() or area.sum() <= 0:
        return np.zeros((0, 3))
    random = np.random.default_rng(0)
    ends = np.cumsum(area) / area.sum()
    chosen = np.searchsorted(ends, (np.arange(_POINTS) + random.random(_POINTS)) / _POINTS).clip(max=len(faces) - 1)
    across = np.sqrt(random.random(_POINTS))[:, None]
    along = random.random(_POINTS)[:, None]
    a, b, c = (corners[chosen, k] for k in range(3))
    return np.asarray((1 - across) * a + across * ((1 - along) * b + along * c), np.float64)


def _soft(place: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """The two bins around each place ``(P, 2)``, with their shares."""
    below = np.floor(place).astype(np.int64)
    rest = place - below
    bins = np.stack([below, below + 1], 1).clip(0, count - 1)
    return np.stack([1 - rest, rest], 1), bins
