from __future__ import annotations

import io

import numpy as np
import pytest
import trimesh

from ops.errors import ConfigError
from recon import Mesh, mesh_to_bytes

BOX = trimesh.creation.box((1.0, 0.5, 0.25))
MESH = Mesh(BOX.vertices.astype(np.float32), BOX.faces.astype(np.int32), np.tile(np.uint8([200, 30, 10]), (8, 1)))


@pytest.mark.parametrize("format", ["glb", "obj", "ply"])
def test_an_independent_reader_gets_the_mesh_back(format: str) -> None:
    data = mesh_to_bytes(MESH, format)  # type: ignore[arg-type]
    back = trimesh.load(io.BytesIO(data), file_type=format, force="mesh")
    assert np.allclose(back.extents, (1.0, 0.5, 0.25), atol=1e-4)
    assert len(back.faces) == 12
    assert np.allclose(back.visual.vertex_colors[0][:3], (200, 30, 10), atol=2)


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="glb, obj, ply"):
        mesh_to_bytes(MESH, "stl")  # type: ignore[arg-type]
