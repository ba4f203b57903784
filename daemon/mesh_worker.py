"""A process that reads one mesh of a stranger and answers with its form: it opens no file, and is limited.

The mesh comes on standard input, its format is an argument. Out goes one line of JSON: the form as `index.form.pack`
packs it, in base64, or why there is none. Run by `daemon.similar`.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from typing import Any

import msgspec
import numpy as np
import trimesh

from index.form import pack, spectrum
from index.stream.decode_worker import limit_cpu, limit_process

FORMATS = ("glb", "obj", "ply", "stl", "off")
MAX_VERTICES = 5_000_000


class Answer(msgspec.Struct, frozen=True):
    """The form of a mesh, in base64; empty with the reason if there is none."""

    form: str = ""
    reason: str = ""


def read_form(raw: bytes, kind: str, up: str) -> Answer:
    """The form of a mesh, whatever is wrong with it."""
    try:
        mesh: Any = trimesh.load(io.BytesIO(raw), file_type=kind, force="mesh", process=False, skip_materials=True)
        vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    except (MemoryError, RecursionError):
        return Answer(reason="reading it takes too much memory")
    except Exception as error:  # parsers of strangers' files raise anything
        return Answer(reason=f"it can't be read as {kind}: {type(error).__name__}")
    if not len(faces) or faces.min() < 0 or faces.max() >= len(vertices) or not np.isfinite(vertices).all():
        return Answer(reason="it holds no triangles")
    if len(vertices) > MAX_VERTICES:
        return Answer(reason=f"it has over {MAX_VERTICES:,} vertices")
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * (1, 1, -1)
    found = spectrum(vertices, faces)
    if not np.abs(found).any():
        return Answer(reason="its triangles have no area")
    return Answer(base64.b64encode(pack(found)).decode())


def main(kind: str, up: str, memory_mib: int, cpu_s: float) -> None:
    """Answers for the mesh on standard input."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    _warm_up(kind)
    limit_process(memory_mib)
    limit_cpu(cpu_s)
    sink.write(msgspec.json.encode(read_form(sys.stdin.buffer.read(), kind, up)))
    sink.flush()


def _warm_up(kind: str) -> None:
    """Reads one of the kind, so that nothing is left to be imported when no file can be opened any more."""
    exported = trimesh.creation.box().export(file_type=kind)
    read_form(exported.encode() if isinstance(exported, str) else bytes(exported), kind, "y")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
