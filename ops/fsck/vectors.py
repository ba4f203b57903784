"""The FAISS file holds exactly the store's vectors up to where it says it was written."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import faiss
import msgspec
import numpy as np
from numpy.typing import NDArray

from ops.fsck.findings import REINDEX, Finding, error, note
from ops.fsck.raw import RawState, number, packed

INDEX = "FAISS index"
_MAGIC = b"SLVECIX1"
_HEAD = len(_MAGIC) + 4
_CODE = 1.01 / 255  # the width of a step of a byte, as a share of its range
Place = tuple[int, int]


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
    held, places = _places(index)
    if len(held) != header["count"] or max(held, default=-1) != header["last_id"]:
        yield error(INDEX, f"vectors.faiss holds {len(held)} vectors and says {header['count']}", REINDEX)
    if len(np.unique(held)) != len(held):
        yield error(INDEX, "vectors.faiss holds a vector twice", REINDEX)
    rows = dict(zip(held.tolist(), places, strict=True))
    behind = 0
    for key, raw in state.items("vectors"):
        place = rows.pop(number(key), None)
        if place is None:
            behind += number(key) > header["last_id"]
            if number(key) <= header["last_id"]:
                yield error(INDEX, f"vectors.faiss lacks image {number(key)}", REINDEX)
        elif not _holds(index, place, np.frombuffer(raw, "<f2").astype(np.float32)):
            yield error(INDEX, f"vectors.faiss has another vector for image {number(key)}", REINDEX)
    gone = {image for image in rows if state.get("deleted", packed(image)) is not None}
    if gone:
        yield note(INDEX, f"vectors.faiss still holds {len(gone)} deleted images", "nothing: the next start drops them")
    for image in sorted(rows.keys() - gone):
        yield error(INDEX, f"vectors.faiss holds image {image}, which is not stored", REINDEX)
    if behind:
        yield note(INDEX, f"vectors.faiss is {behind} images behind", "nothing: the next start adds them")


def _places(index: Any) -> tuple[NDArray[np.int64], list[Place]]:
    """Ids in the index, and where each is: list and offset, or row of an index without lists."""
    if isinstance(index, faiss.IndexIDMap2):
        held = faiss.vector_to_array(index.id_map)
        return held, [(-1, row) for row in range(len(held))]
    lists = _lists(index).invlists
    parts, places = [np.zeros(0, np.int64)], []
    for cell in range(lists.nlist):
        if size := lists.list_size(cell):
            parts.append(faiss.rev_swig_ptr(lists.get_ids(cell), size).copy())
            places += [(cell, offset) for offset in range(size)]
    return np.concatenate(parts), places


def _lists(index: Any) -> Any:
    return faiss.downcast_index(index.index) if isinstance(index, faiss.IndexPreTransform) else index


def _holds(index: Any, place: Place, vector: NDArray[np.float32]) -> bool:
    """Whether a vector is at a place: exactly if whole vectors are kept, else as near as its code can be."""
    cell, offset = place
    if cell < 0:
        return np.array_equal(index.index.reconstruct(offset), vector)
    inner = _lists(index)
    kept = np.empty(inner.d, np.float32)
    inner.reconstruct_from_offset(cell, offset, faiss.swig_ptr(kept))
    if not isinstance(index, faiss.IndexPreTransform):
        return np.array_equal(kept, vector)
    chain: Any = index.chain
    turn: Any = faiss.downcast_VectorTransform(chain.at(0))
    row = turn.apply(vector[None])[0]
    middle = inner.quantizer.reconstruct(cell)
    least, spread = np.split(faiss.vector_to_array(inner.sq.trained), 2)
    inside = np.clip(row - middle, least, least + spread)  # what lies beyond the sample's range is cut off
    return bool((np.abs(kept - middle - inside) <= _CODE * spread + 1e-5).all())
