"""A file of micro-clusters' rows in the space, so that a restart does not have to map all sums anew."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import faissfile
from index.clustering.celled import CelledRows
from index.faissfile import Header
from ops.errors import StateError

_MAGIC = b"SLROWS01"
_WHAT = "file of micro-clusters"
Revisions = NDArray[np.uint32]


class RowsHeader(Header, frozen=True, kw_only=True):
    """What stands before the revisions and the rows.

    Attributes:
        space: `space_digest` of what the rows are in.
        micros: how many there are.
    """

    space: str
    micros: int


def space_digest(packed: dict[str, Any]) -> str:
    """Tells spaces with their cells apart, by what is stored of them."""
    return hashlib.sha256(msgspec.msgpack.encode(packed, order="sorted")).hexdigest()


def save_rows(path: Path, space: str, held: CelledRows, revisions: Revisions) -> None:
    """Writes the rows, and of which revision ``(M,)`` of its micro-cluster each is.

    Raises:
        OSError: the file can't be written.
    """
    header = RowsHeader(space=space, micros=len(revisions))
    faissfile.save(path, _MAGIC, header, held.index, np.asarray(revisions, "<u4").tobytes())


def load_rows(path: Path, space: str, cells: int) -> tuple[CelledRows, Revisions]:
    """What `save_rows` wrote.

    Raises:
        StateError: missing, damaged, or of another space; the rows have to be made anew.
    """
    name = f"{_WHAT} {path}"
    with faissfile.opened(path, _WHAT) as file:
        header = faissfile.header_of(file, _MAGIC, RowsHeader, name)
        if header.space != space:
            raise StateError(f"{name} is stale: it is of an earlier space")
        raw, index = faissfile.body_of(file, header, name, 4 * header.micros)
    held = CelledRows.of(index, cells, header.micros)
    return held, np.frombuffer(raw, "<u4").astype(np.uint32)
