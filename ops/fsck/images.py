"""Every image is stored once, with its vector, crop and mask; nothing belongs to an image that is not there."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ops.fsck.findings import Finding, error, note
from ops.fsck.raw import RawState, Record, number, packed

KEYS, DIGESTS, VECTORS, PIXELS = "image keys", "image digests", "vectors", "crops and masks"
_PLACE_LENGTH = 32  # of the digest of shard and key; that of a file is twice as long
OLDER = "nothing; a version that did not compare files stored both"


def check_keys(state: RawState) -> Iterator[Finding]:
    """Images are numbered without gaps, and the key table leads to each from its shard and key, and nowhere else."""
    yield from _numbers(state)
    for key, record in state.records("samples"):
        found = state.get("sample_keys", _place(record["shard"], record["key"]))
        if found != _first(key, record):
            other = "nothing" if found is None else f"image {number(found)}"
            what = f"image {number(key)}, {record['key']!r} of {record['shard']}: its key leads to {other}"
            yield error(KEYS, f"{what}; it may be stored twice")
    kept = sum(len(key) == _PLACE_LENGTH for key in state.keys("sample_keys"))
    # A deleted image keeps its key, so that it stays away; all objects of a photo have one.
    photos = sum(not record.get("object", 0) for name in ("samples", "deleted") for _, record in state.records(name))
    if kept != photos:
        yield error(KEYS, f"{kept} keys for {photos} photos")


def _numbers(state: RawState) -> Iterator[Finding]:
    deleted = set(map(number, state.keys("deleted")))
    expected = 0
    for image in map(number, state.keys("samples")):
        while expected in deleted:
            expected += 1
        if image in deleted:
            yield error(KEYS, f"image {image} is deleted and stored")
        elif image != expected:
            yield error(KEYS, f"image {image} comes where image {expected} should: numbers have a gap")
        expected = image + 1


def check_digests(state: RawState) -> Iterator[Finding]:
    """The digest of each encoded image leads to it, so that none can be stored twice."""
    if state.schema < 3:
        return
    deleted = set(state.keys("deleted"))
    first: dict[str, bytes] = {}
    for key, record in state.records("samples"):
        own = _first(key, record)
        twin = first.setdefault(record["sha256"], own)
        found = state.get("sample_keys", record["sha256"].encode())
        if found != twin and found not in deleted:
            other = "nothing" if found is None else f"image {number(found)}"
            yield error(DIGESTS, f"image {number(key)}: the digest of its file leads to {other}")
        if twin != own:
            yield note(DIGESTS, f"image {number(key)} is the same file as image {number(twin)}", OLDER)
    kept = sum(
        len(key) != _PLACE_LENGTH and (key.decode("ascii", "replace") in first or image not in deleted)
        for key, image in state.items("sample_keys")
    )
    if kept != len(first):
        yield error(DIGESTS, f"{kept} digests for {len(first)} different files")


def _first(key: bytes, record: Record) -> bytes:
    """Key of the image of the photo's first object."""
    return packed(number(key) - int(record.get("object", 0)))


def _place(shard: str, key: str) -> bytes:
    text = f"{shard}\0{key}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode()


def check_vectors(state: RawState) -> Iterator[Finding]:
    """Every image has a vector of the backbone's length, finite and not zero."""
    yield from _same_keys(state, "vectors", VECTORS)
    identity = state.record("identity")
    dim = int(identity["dim"]) if identity else 0
    for key, raw in state.items("vectors"):
        vector = np.frombuffer(raw[: len(raw) // 2 * 2], "<f2").astype(np.float64)
        if len(raw) != 2 * dim:
            yield error(VECTORS, f"the vector of image {number(key)} has {len(raw)} bytes, not {2 * dim}")
        elif not np.isfinite(vector).all() or not vector.any():
            yield error(VECTORS, f"the vector of image {number(key)} is zero or not finite")


def check_pixels(state: RawState) -> Iterator[Finding]:
    """Every image has a whole JPEG crop and a mask of the same size."""
    yield from _same_keys(state, "crops", PIXELS)
    yield from _same_keys(state, "masks", PIXELS)
    for key, raw in state.items("crops"):
        size = _jpeg_pixels(raw)
        mask = state.get("masks", key)
        if size is None:
            yield error(PIXELS, f"the crop of image {number(key)} is no whole JPEG")
        elif mask is not None and _inflated(mask) != (size + 7) // 8:
            yield error(PIXELS, f"the mask of image {number(key)} is damaged or not of its crop's size")


def _same_keys(state: RawState, table: str, check: str) -> Iterator[Finding]:
    wanted, found = (set(map(number, state.keys(name))) for name in ("samples", table))
    for image in sorted(wanted - found):
        yield error(check, f"image {image} has no entry in {table}")
    for image in sorted(found - wanted):
        yield error(check, f"{table} has an entry for image {image}, which is not stored")


def _jpeg_pixels(raw: bytes) -> int | None:
    if not raw.endswith(b"\xff\xd9"):
        return None
    try:
        image = Image.open(io.BytesIO(raw), formats=["JPEG"])
    except OSError:
        return None
    return image.width * image.height


def _inflated(raw: bytes) -> int:
    try:
        return len(zlib.decompress(raw))
    except zlib.error:
        return -1


def image_vector(state: RawState, image: int) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    """The stored vector ``(D,)`` of an image."""
    raw = state.get("vectors", packed(image))
    return None if raw is None or len(raw) % 2 else np.frombuffer(raw, "<f2").astype(np.float64)
