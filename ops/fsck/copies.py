"""Signatures belong to stored images and are found by their bands; what was refused as a copy is found by its image."""

from __future__ import annotations

from collections.abc import Iterator

from ops.fsck.findings import Finding, compare, error
from ops.fsck.raw import RawState, number, packed

SIGNATURES, COPIES = "signatures", "copies"
_HASH, _THUMBNAIL = 8, 256  # bytes


def check_signatures(state: RawState) -> Iterator[Finding]:
    """Every signature is whole, of an image that is stored, and listed under the four sixteenths of its hash."""
    if state.schema < 6:
        return
    wanted: dict[bytes, bytes] = {}
    for key, raw in state.items("signatures"):
        if len(raw) != _HASH + _THUMBNAIL:
            yield error(SIGNATURES, f"the signature of image {number(key)} has {len(raw)} bytes")
        if state.get("samples", key) is None:
            yield error(SIGNATURES, f"there is a signature of image {number(key)}, which is not stored")
        hashed = raw[:_HASH]
        for band in range(4):
            end = _HASH - 2 * band
            wanted[packed((band << 16) + int.from_bytes(hashed[end - 2 : end], "big")) + key] = hashed
    yield from compare(SIGNATURES, set(wanted.items()), set(state.items("signature_bands")))


def check_copies(state: RawState) -> Iterator[Finding]:
    """Rejects that are copies are listed under the image that they are copies of, which is or was stored."""
    if state.schema < 6:
        return
    copies = {key: record["of"] for key, record in state.records("rejects") if record.get("of", -1) >= 0}
    yield from compare(COPIES, {packed(of) + key for key, of in copies.items()}, set(state.keys("copies")))
    for key, of in copies.items():
        if state.get("samples", packed(of)) is None and state.get("deleted", packed(of)) is None:
            yield error(COPIES, f"reject {number(key)} is a copy of image {of}, which never was")
