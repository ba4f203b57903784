"""Exports, read back with another reader than ours where there is one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from daemon.export import export, file_name, write_atomic
from index.jobs import MESH
from index.library import Library, open_library
from index.store import Store
from index.tables import ARTIFACTS
from ops.errors import ConfigError, NotFoundError, StateError
from tests.library_factory import box_ply, make_library


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return open_library(make_library(tmp_path))


@pytest.mark.parametrize("kind", ["obj", "ply"])
def test_a_mesh_keeps_geometry_and_colours(library: Library, kind: str) -> None:
    data = export(library, 1, None, kind)  # type: ignore[arg-type]
    mesh = trimesh.load_mesh(io.BytesIO(data), file_type=kind, process=False)
    assert mesh.extents == pytest.approx([1.0, 0.6, 0.4], abs=1e-5)
    assert len(mesh.faces) == 12
    near_top = mesh.visual.vertex_colors[np.argmax(mesh.vertices @ [1, 1, 1])]
    assert near_top[:3] == pytest.approx([255, 204, 178], abs=2)


def test_ply_is_the_stored_file(library: Library) -> None:
    assert export(library, 1, 1, "ply") == box_ply((1.0, 0.6, 0.2))


def test_an_older_version_can_be_had(library: Library) -> None:
    mesh = trimesh.load_mesh(io.BytesIO(export(library, 1, 1, "ply")), file_type="ply")
    assert mesh.extents[2] == pytest.approx(0.2)


@pytest.mark.parametrize("kind", ["glb", "cameras", "keypoints"])
def test_formats_without_images_have_none_to_choose_by_certainty(library: Library, kind: str) -> None:
    with pytest.raises(ConfigError, match="colmap, nerfstudio, masks, coordinates, dataset have"):
        export(library, 1, None, kind, sure=0.5)  # type: ignore[arg-type]


def test_cameras_are_json(library: Library) -> None:
    found = json.loads(export(library, 1, None, "cameras"))
    assert (found["shape"], found["version"], len(found["cameras"])) == (1, 2, 6)
    assert found["cameras"][0]["R"][0] == [1.0, 0.0, 0.0]


def test_missing_shapes_and_versions_are_told(library: Library) -> None:
    with pytest.raises(NotFoundError, match="no shape yet"):
        export(library, 3, None, "glb")
    with pytest.raises(NotFoundError, match="version 9"):
        export(library, 1, 9, "glb")


@pytest.mark.parametrize("damage", [b"", b"not a mesh", box_ply()[:400]])
def test_a_damaged_mesh_is_told(tmp_path: Path, damage: bytes) -> None:
    folder = make_library(tmp_path)
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, MESH), damage)
    store.close()
    with pytest.raises(StateError, match="mesh of shape 1 is damaged"):
        export(open_library(folder), 1, None, "glb")


def test_files_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "shape.glb"
    write_atomic(target, b"first")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        write_atomic(target, b"second")
    assert target.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["shape.glb"]


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"):
        write_atomic(tmp_path / "missing" / "shape.glb", b"data")


def test_file_names_tell_shape_and_version() -> None:
    assert file_name(3, 2, "glb") == "shape-3-v2.glb"
    assert file_name(3, 2, "cameras") == "shape-3-v2.cameras.json"
