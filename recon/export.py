"""A mesh as the bytes of a file."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import trimesh

from ops.errors import ConfigError
from recon.types import Mesh

MeshFormat = Literal["glb", "obj", "ply"]


def mesh_to_bytes(mesh: Mesh, format: MeshFormat) -> bytes:
    """Encodes a mesh with its vertex colours.

    Args:
        mesh: to encode.
        format: ``glb`` (binary glTF 2.0), ``obj`` (colours behind the vertices) or ``ply`` (binary).

    Raises:
        ConfigError: for another format.
    """
    if format not in get_args(MeshFormat):
        raise ConfigError(f"mesh format must be one of {', '.join(get_args(MeshFormat))}, not {format!r}")
    opaque = np.full((len(mesh.colors), 1), 255, np.uint8)
    body = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=np.hstack([mesh.colors, opaque]), process=False)
    data = body.export(file_type=format)
    return data.encode() if isinstance(data, str) else bytes(data)
