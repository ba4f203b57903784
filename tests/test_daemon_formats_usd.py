"""The USDZ export, opened and validated by OpenUSD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pxr import Usd, UsdGeom, UsdShade, UsdValidation

from daemon.export import export, file_name
from index.library import open_library
from tests.library_factory import make_library


@pytest.fixture
def package(tmp_path: Path) -> Path:
    library = open_library(make_library(tmp_path / "state"))
    data, again = (export(library, 1, None, "usdz") for _ in range(2))
    library.close()
    assert data == again, "the same version gives the same bytes"
    path = tmp_path / file_name(1, 2, "usdz")
    path.write_bytes(data)
    return path


def found_wrong(stage: Any) -> list[str]:
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    return [error.GetMessage() for error in UsdValidation.ValidationContext(validators).Validate(stage)]


def test_geometry_colours_and_material_are_there(package: Path) -> None:
    assert package.name == "shape-1-v2.usdz"
    stage = Usd.Stage.Open(str(package))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and stage.GetDefaultPrim().GetName() == "shape"
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/shape/surface"))
    points = np.array(mesh.GetPointsAttr().Get())
    assert np.ptp(points, axis=0) == pytest.approx([1.0, 0.6, 0.4], abs=1e-5)
    assert set(mesh.GetFaceVertexCountsAttr().Get()) == {3} and len(mesh.GetFaceVertexIndicesAttr().Get()) == 36
    colours = np.array(mesh.GetDisplayColorPrimvar().Get())
    brightest = colours[colours.sum(1).argmax()]
    assert brightest == pytest.approx(np.array([255, 154, 114]) / 255, abs=1e-5), "linear, as the glTF has them"
    material, _ = UsdShade.MaterialBindingAPI(mesh.GetPrim()).ComputeBoundMaterial()
    assert material.GetPrim().GetName() == "mined"


def test_openusds_validators_find_nothing_and_would_find_something(package: Path) -> None:
    assert found_wrong(Usd.Stage.Open(str(package))) == []
    broken = Usd.Stage.CreateInMemory()
    UsdGeom.Mesh.Define(broken, "/loose")
    assert found_wrong(broken)
