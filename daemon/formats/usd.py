"""USDZ: a mesh with normals, vertex colours and a preview material, written by OpenUSD's own library."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.formats.gltf import linear, vertex_colours
from ops.errors import StateError

if TYPE_CHECKING:
    import trimesh

_EPOCH = (315_619_200, 315_619_200)  # 1980-01-02: what a zip can tell in every time zone
_ROUGHNESS = 0.9


def to_usdz(mesh: trimesh.Trimesh) -> bytes:
    """A mesh with its vertex colours as the bytes of a .usdz file; the same for the same mesh.

    Raises:
        StateError: the disk of the temporary folder is full or failing.
    """
    from pxr import Sdf, UsdUtils  # slow to import, and only needed here

    with TemporaryDirectory(prefix="shapelode-usd-") as folder:
        scene, package = Path(folder) / "shape.usdc", Path(folder) / "shape.usdz"
        _write_scene(mesh, scene)
        os.utime(scene, _EPOCH)
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(scene)), str(package)):
            raise StateError(f"cannot write a USD package in {folder}")
        return package.read_bytes()


def _write_scene(mesh: trimesh.Trimesh, path: Path) -> None:
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/shape")
    stage.SetDefaultPrim(root.GetPrim())
    body = UsdGeom.Mesh.Define(stage, "/shape/surface")
    points = np.ascontiguousarray(mesh.vertices, np.float32)
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    body.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    body.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    body.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.ravel()))
    body.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.vertex_normals, np.float32)))
    body.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    body.CreateExtentAttr([Gf.Vec3f(*side.tolist()) for side in (points.min(0), points.max(0))])
    body.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    body.CreateDoubleSidedAttr(True)  # a carved surface may have holes
    colours = np.ascontiguousarray(linear(vertex_colours(mesh))[:, :3] / 255, np.float32)
    body.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(Vt.Vec3fArray.FromNumpy(colours))
    material = _material(stage, Sdf, UsdShade)
    UsdShade.MaterialBindingAPI.Apply(body.GetPrim()).Bind(material)
    stage.Save()


def _material(stage: Any, Sdf: Any, UsdShade: Any) -> Any:
    """A rough surface that takes its colour from the vertices."""
    material = UsdShade.Material.Define(stage, "/shape/mined")
    reader = UsdShade.Shader.Define(stage, "/shape/mined/colour")
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
    surface = UsdShade.Shader.Define(stage, "/shape/mined/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    found = reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(found)
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(_ROUGHNESS)
    surface.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", Sdf.ValueTypeNames.Token))
    return material
