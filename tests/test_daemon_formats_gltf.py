"""The GLB export, read by another reader and, where Node is installed, by Khronos' validator."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from daemon.export import export
from daemon.formats.gltf import linear
from index.library import open_library
from tests.library_factory import make_library

VALIDATOR = Path(__file__).parent / "gltf"
CHECK = """
const validator = require("gltf-validator");
const data = new Uint8Array(require("fs").readFileSync(0));
validator.validateBytes(data).then((report) => console.log(JSON.stringify(report)));
"""


@pytest.fixture
def glb(tmp_path: Path) -> bytes:
    library = open_library(make_library(tmp_path))
    data = export(library, 1, None, "glb")
    library.close()
    return data


def tree_of(glb: bytes) -> dict[str, Any]:
    magic, version, length = struct.unpack("<4sII", glb[:12])
    assert (magic, version, length) == (b"glTF", 2, len(glb))
    size, kind = struct.unpack("<I4s", glb[12:20])
    assert kind == b"JSON"
    found: dict[str, Any] = json.loads(glb[20 : 20 + size])
    return found


def test_structure(glb: bytes) -> None:
    tree = tree_of(glb)
    (primitive,) = tree["meshes"][0]["primitives"]
    assert {"POSITION", "NORMAL", "COLOR_0"} <= set(primitive["attributes"])
    assert tree["materials"][primitive["material"]]["pbrMetallicRoughness"]["metallicFactor"] == 0


def test_another_reader_finds_geometry_and_linear_colours(glb: bytes) -> None:
    mesh = trimesh.load_mesh(io.BytesIO(glb), file_type="glb", process=False)
    assert mesh.extents == pytest.approx([1.0, 0.6, 0.4], abs=1e-5)
    tree = tree_of(glb)
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    start = len(glb) - tree["buffers"][0]["byteLength"] + view.get("byteOffset", 0)
    stored = np.frombuffer(glb[start : start + view["byteLength"]], np.uint8).reshape(accessor["count"], 4)
    assert tuple(stored[np.argmax(stored[:, :3].sum(1))]) == (255, 154, 114, 255)


def test_colours_lose_the_transfer_function_of_srgb() -> None:
    grey = np.array([[0, 0, 0, 255], [10, 10, 10, 255], [188, 188, 188, 9], [255, 255, 255, 255]], np.uint8)
    assert linear(grey)[:, 0].tolist() == [0, 1, 128, 255]
    assert linear(grey)[:, 3].tolist() == [255, 255, 9, 255]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed, so Khronos' validator can't run")
@pytest.mark.skipif(not (VALIDATOR / "node_modules").exists(), reason="run `make gltf-validator` to install it")
@pytest.mark.parametrize("broken", [False, True])
def test_khronos_validator(glb: bytes, broken: bool) -> None:
    given = glb.replace(b'"VEC3"', b'"VEC2"', 1) if broken else glb
    run = subprocess.run(["node", "-e", CHECK], input=given, cwd=VALIDATOR, capture_output=True, check=True, timeout=60)
    issues = json.loads(run.stdout)["issues"]
    assert bool(issues["numErrors"]) is broken, issues["messages"]
