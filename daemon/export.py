"""Shapes as files other programs open."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from index.jobs import MESH
from index.library import Library
from ops.errors import ConfigError, StateError

if TYPE_CHECKING:
    import trimesh

Format = Literal["glb", "obj", "ply", "cameras"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "glb": "model/gltf-binary",
    "obj": "model/obj",
    "ply": "application/octet-stream",
    "cameras": "application/json",
}


def export(library: Library, shape: int, version: int | None, kind: Format) -> bytes:
    """A shape in one of the export formats.

    Vertices are in the object frame: right-handed, y up, centred, longest side 1. Colours are per vertex.

    Args:
        library: where the shape is.
        shape: its id.
        version: which version; None for the published one.
        kind: ``glb``, ``obj`` or ``ply`` for the mesh, ``cameras`` for the cameras as JSON.

    Raises:
        NotFoundError: no such shape or version, or it has no mesh.
        StateError: the stored mesh is damaged.
    """
    if kind == "cameras":
        found = library.shape(shape, version)
        cameras = library.cameras(shape, found.version)
        return msgspec.json.format(
            msgspec.json.encode({"shape": shape, "version": found.version, "cameras": cameras}), indent=1
        )
    raw = library.artifact(shape, MESH, version)
    if kind == "ply":
        return raw
    mesh = _read_mesh(raw, shape)
    data = mesh.export(file_type=kind)
    return data.encode() if isinstance(data, str) else bytes(data)


def file_name(shape: int, version: int, kind: Format) -> str:
    """What an exported file is called unless someone names it."""
    suffix = "cameras.json" if kind == "cameras" else kind
    return f"shape-{shape}-v{version}.{suffix}"


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file that is either whole or not there.

    Raises:
        ConfigError: the place cannot be written.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _umask() -> int:
    # The mask can only be read by setting it; a temporary file is otherwise left private to its owner.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _read_mesh(raw: bytes, shape: int) -> trimesh.Trimesh:
    import trimesh  # slow to import, and only needed here

    try:
        mesh = trimesh.load_mesh(io.BytesIO(raw), file_type="ply", process=False)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StateError(f"the stored mesh of shape {shape} is damaged: {error}") from error
    if not len(mesh.vertices):
        raise StateError(f"the stored mesh of shape {shape} is damaged: it has no vertices")
    return mesh
