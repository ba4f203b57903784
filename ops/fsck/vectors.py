"""The FAISS file holds exactly the store's vectors up to where it says it was written."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import faiss
import msgspec
import numpy as np

from ops.fsck.findings import REINDEX, Finding, error, note
from ops.fsck.raw import RawState, number, packed

INDEX = "FAISS index"
_MAGIC = b"SLVECIX1"
_HEAD = len(_MAGIC) + 4


def check_index(state: RawState) -> Iterator[Finding]:
    """The file is whole, of this backbone, and each vector in it is the store's."""
    for name in state.leftovers:
        yield note(INDEX, f"{name} was left by a run that was killed while it saved", "the next run removes it")
    if state.index_file is None:
        if state.count("vectors"):
            yield note(INDEX, "there is no vectors.faiss yet", "nothing: it is rebuilt from the store")
        return
    with memoryview(state.index_file) as raw:
        yield from _file(state, raw)


def _file(state: RawState, raw: memoryview) -> Iterator[Finding]:
    header, payload = _parts(raw)
    if header is None or hashlib.sha256(payload).hexdigest() != header.get("checksum"):
        yield error(INDEX, "vectors.faiss is damaged", REINDEX)
        return
    identity = state.record("identity") or {}
    if (header["fingerprint"], header["dim"]) != (identity.get("fingerprint"), identity.get("dim")):
        yield error(INDEX, "vectors.faiss is of another backbone", REINDEX)
        return
    yield from _contents(state, header, payload)


def _parts(raw: memoryview) -> tuple[dict[str, Any] | None, memoryview]:
    if raw[: len(_MAGIC)] != _MAGIC or len(raw) < _HEAD:
        return None, raw
    (length,) = struct.unpack("<I", raw[len(_MAGIC) : _HEAD])
    try:
        header = msgspec.json.decode(raw[_HEAD : _HEAD + length], type=dict[str, Any])
    except msgspec.DecodeError:
        return None, raw
    return header, raw[_HEAD + length :]


def _contents(state: RawState, header: dict[str, Any], payload: memoryview) -> Iterator[Finding]:
    index: Any = faiss.deserialize_index(np.frombuffer(payload, np.uint8))
    held = faiss.vector_to_array(index.id_map)
    if len(held) != header["count"] or max(held, default=-1) != header["last_id"]:
        yield error(INDEX, f"vectors.faiss holds {len(held)} vectors and says {header['count']}", REINDEX)
    if len(set(held.tolist())) != len(held):
        yield error(INDEX, "vectors.faiss holds a vector twice", REINDEX)
    rows = {int(image): row for row, image in enumerate(held)}
    behind = 0
    for key, raw in state.items("vectors"):
        row = rows.pop(number(key), None)
        if row is None:
            behind += number(key) > header["last_id"]
            if number(key) <= header["last_id"]:
                yield error(INDEX, f"vectors.faiss lacks image {number(key)}", REINDEX)
        elif not np.array_equal(index.index.reconstruct(row), np.frombuffer(raw, "<f2").astype(np.float32)):
            yield error(INDEX, f"vectors.faiss has another vector for image {number(key)}", REINDEX)
    gone = {image for image in rows if state.get("deleted", packed(image)) is not None}
    if gone:
        yield note(INDEX, f"vectors.faiss still holds {len(gone)} deleted images", "nothing: the next start drops them")
    for image in sorted(rows.keys() - gone):
        yield error(INDEX, f"vectors.faiss holds image {image}, which is not stored", REINDEX)
    if behind:
        yield note(INDEX, f"vectors.faiss is {behind} images behind", "nothing: the next start adds them")
