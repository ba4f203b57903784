"""Near-copies of stored images, found by their signatures in a time that hardly grows with the library."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

from index.store import Transaction
from index.stream.signature import LEAST_ALIKE, MOST_APART, Signature, alike, apart
from index.tables import COPIES, SIGNATURE_BANDS, SIGNATURES

_BANDS, _BAND_BITS = 4, 16
_MOST_LOOKED_AT = 512
"""Images of one band that are compared, latest first; more have a band in common only where hashes are crowded."""
_HASH = struct.Struct(">Q")


def find_copied(txn: Transaction, signature: Signature) -> int | None:
    """The stored image that one of this signature is a near-copy of, the nearest if there are several.

    Two hashes that differ in three bits have one of four bands in common, of those that differ in four nine in ten
    (multi-index hashing, Norouzi et al., CVPR 2012, section 3).
    """
    near = {
        image: distance
        for band in _bands(signature.bits)
        for (_, image), raw in islice(txn.scan(SIGNATURE_BANDS, prefix=band, reverse=True), _MOST_LOOKED_AT)
        if (distance := apart(signature.bits, _HASH.unpack(raw)[0])) <= MOST_APART
    }
    for image in sorted(near, key=lambda one: (near[one], one)):
        stored = txn.get(SIGNATURES, image)
        if stored is not None and alike(signature.thumbnail, stored[_HASH.size :]) >= LEAST_ALIKE:
            return image
    return None


def put_signature(txn: Transaction, image: int, signature: Signature) -> None:
    """Stores the signature of an image."""
    packed = _HASH.pack(signature.bits)
    txn.put(SIGNATURES, image, packed + signature.thumbnail)
    for band in _bands(signature.bits):
        txn.put(SIGNATURE_BANDS, (band, image), packed)


def drop_signature(txn: Transaction, image: int) -> None:
    """Forgets the signature of an image, if it has one."""
    stored = txn.get(SIGNATURES, image)
    if stored is None:
        return
    txn.delete(SIGNATURES, image)
    for band in _bands(_HASH.unpack(stored[: _HASH.size])[0]):
        txn.delete(SIGNATURE_BANDS, (band, image))


def count_copies(txn: Transaction, image: int) -> int:
    """How many copies of an image were refused."""
    return sum(1 for _ in txn.keys(COPIES, image))


def _bands(bits: int) -> Iterator[int]:
    """Which band and what it holds, as one number."""
    for band in range(_BANDS):
        yield band << _BAND_BITS | (bits >> band * _BAND_BITS) & (1 << _BAND_BITS) - 1
