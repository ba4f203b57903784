"""Binary glTF 2.0 with normals, vertex colours and a material that is not metal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import trimesh

_MATERIAL = {
    "name": "mined",
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
    "doubleSided": True,  # a carved surface may have holes
}


def to_glb(mesh: trimesh.Trimesh) -> bytes:
    """A mesh with its vertex colours as the bytes of a .glb file."""
    shown: Any = mesh.copy()
    shown.visual.vertex_colors = linear(vertex_colours(mesh))
    return bytes(shown.export(file_type="glb", include_normals=True, tree_postprocessor=_add_material))


def vertex_colours(mesh: trimesh.Trimesh) -> NDArray[np.uint8]:
    """RGBA ``(V, 4)`` of a mesh's vertices, in sRGB as they are kept."""
    visual: Any = mesh.visual
    return np.asarray(visual.vertex_colors, np.uint8)


def linear(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours ``(V, 4)`` as glTF has them: without the transfer function of sRGB (IEC 61966-2-1), which ours have."""
    share = colours[:, :3] / 255
    flat = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.hstack([np.round(flat * 255), colours[:, 3:]]).astype(np.uint8)


def _add_material(tree: dict[str, Any]) -> None:
    tree["materials"] = [_MATERIAL]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0
