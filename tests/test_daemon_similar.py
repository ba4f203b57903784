"""Shapes like another one, by form and look, and meshes of strangers."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import trimesh
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.mesh_worker import FORMATS, read_form
from daemon.query import ImageQuery
from daemon.similar import MESH_FORMATS, MeshFormat, SimilarShapes, Up, form_apart, mesh_format
from index.form import Packed, Spectra, likeness, pack, packed_rows, spectrum, unpack
from index.jobs import FORM, MESH
from index.library import Library, open_library
from index.records import ClusterRecord
from index.store import Store
from index.stream.decode import decode_image
from index.tables import ARTIFACTS, CLUSTERS
from ops.errors import ConfigError, NotFoundError, RejectError
from tests.library_factory import Plan, make_library

TALL, FLAT, SEAT = 1, 2, 3


def seat() -> trimesh.Trimesh:
    back = trimesh.creation.box((1, 1, 0.1)).apply_translation((0, 0.5, -0.45))
    return trimesh.util.concatenate([trimesh.creation.box((1, 0.2, 1)), back])


def forms() -> dict[int, trimesh.Trimesh]:
    return {TALL: trimesh.creation.box((0.2, 1, 0.2)), FLAT: trimesh.creation.box((1, 0.1, 1)), SEAT: seat()}


def in_process(raw: bytes, kind: MeshFormat, up: Up) -> Spectra:
    """Reads a mesh without a process of its own, which takes a second to start."""
    mesh = trimesh.load(io.BytesIO(raw), file_type=kind, force="mesh")
    return spectrum(np.asarray(mesh.vertices), np.asarray(mesh.faces))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_library(tmp_path, Plan((6, 4, 3, 2), (2, 1, 1, 1), dim=8))
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        for shape, mesh in {**forms(), 4: seat().apply_scale(2)}.items():
            version = 2 if shape == TALL else 1
            txn.put(ARTIFACTS, (shape, version, MESH), bytes(mesh.export(file_type="ply")))
    store.close()
    return tmp_path


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    library = open_library(folder)
    yield library
    library.close()


def test_the_form_of_a_shape_finds_the_others_of_that_form(library: Library) -> None:
    found = SimilarShapes(library).to_shape(SEAT).items
    assert found[0].shape.id == 4
    assert {match.shape.id for match in found} == {1, 2, 4}, "itself is left out"
    assert found[0].form > 0.99 and found[0].turn in (0, 355, 5)
    assert found[1].form < 0.9
    assert found[0].look == pytest.approx(0, abs=0.3), (
        "the descriptors of the factory's clusters have nothing in common"
    )
    assert len(SimilarShapes(library).to_shape(SEAT, limit=1).items) == 1


def test_by_look_the_images_decide(library: Library) -> None:
    found = SimilarShapes(library).to_shape(SEAT, by="look").items
    looks = [match.look for match in found if match.look is not None]
    assert len(looks) == len(found) == 3 and looks == sorted(looks, reverse=True)


def test_a_mesh_from_elsewhere_finds_its_form(library: Library) -> None:
    glb = bytes(seat().apply_transform(trimesh.transformations.rotation_matrix(1, (0, 1, 0))).export(file_type="glb"))
    found = SimilarShapes(library, in_process).to_mesh(glb, "glb").items
    assert {match.shape.id for match in found[:2]} == {SEAT, 4} and found[0].look is None
    assert found[0].turn == pytest.approx(57, abs=5)


def test_a_stored_form_is_believed_and_what_is_none_is_computed(folder: Path) -> None:
    store = Store(folder, readonly=False, map_size_gib=0.1)
    flat = pack(spectrum(np.asarray(forms()[FLAT].vertices), np.asarray(forms()[FLAT].faces)))
    with store.write() as txn:
        txn.put(ARTIFACTS, (TALL, 2, FORM), flat)
        txn.put(ARTIFACTS, (4, 1, FORM), b"no form")
    store.close()
    library = open_library(folder)
    similar = SimilarShapes(library)
    assert similar.to_shape(FLAT).items[0].shape.id == TALL
    assert similar.to_shape(SEAT).items[0].shape.id == 4
    library.close()


def test_what_people_hid_is_left_out(folder: Path) -> None:
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        record = txn.get(CLUSTERS, 4)
        assert isinstance(record, ClusterRecord)
        txn.put(CLUSTERS, 4, msgspec.structs.replace(record, hidden=True))
    store.close()
    library = open_library(folder)
    assert {match.shape.id for match in SimilarShapes(library).to_shape(SEAT).items} == {TALL, FLAT}
    library.close()


def test_a_change_is_noticed_and_only_what_is_new_is_read(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    similar = SimilarShapes(library)
    assert len(similar.to_shape(SEAT).items) == 3
    read: list[int] = []
    known = library.artifact
    monkeypatch.setattr(library, "artifact", lambda shape, *rest: read.append(shape) or known(shape, *rest))
    monkeypatch.setattr(library, "published", lambda: [(TALL, 1), (FLAT, 1)])
    assert len(similar.to_shape(SEAT).items) == 3, "nothing is said to have changed"
    assert set(read) == {SEAT}
    monkeypatch.setattr(library, "last_change", lambda: 10**6)
    assert {match.shape.id for match in similar.to_shape(SEAT).items} == {TALL, FLAT}
    assert FLAT not in read and TALL in read


def test_there_is_no_form_of_what_is_not_there(library: Library) -> None:
    with pytest.raises(NotFoundError, match="shape 99"):
        SimilarShapes(library).to_shape(99)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_alike(kind: str) -> None:
    raw = seat().export(file_type=kind)
    answer = read_form(raw.encode() if isinstance(raw, str) else bytes(raw), kind, "y")
    assert answer.reason == ""
    found = decoded(answer.form)
    assert likeness(spectrum(np.asarray(seat().vertices), np.asarray(seat().faces)), rows(found))[0][0] > 0.99


def rows(found: Spectra) -> Packed:
    return packed_rows([pack(found)])


def decoded(text: str) -> Spectra:
    found = unpack(base64.b64decode(text))
    assert found is not None
    return found


def test_what_points_up_can_be_said() -> None:
    standing = seat()
    lying = standing.copy()
    lying.vertices = np.asarray(standing.vertices)[:, [0, 2, 1]] * (1, -1, 1)
    raw = bytes(lying.export(file_type="stl"))
    known = rows(spectrum(np.asarray(standing.vertices), np.asarray(standing.faces)))
    right, wrong = (likeness(decoded(read_form(raw, "stl", up).form), known) for up in ("z", "y"))
    assert right[0][0] > 0.99 and right[1][0] == 0
    assert wrong[0][0] < 0.9


@pytest.mark.parametrize(
    ("kind", "raw", "told"),
    [
        ("glb", b"text", "can't be read as glb"),
        ("ply", b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n", "no triangles|can't be read"),
        ("obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "no area|no triangles"),
        ("obj", b"v nan 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\n", "no triangles|can't be read"),
    ],
)
def test_what_is_no_surface_is_refused_with_a_reason(kind: str, raw: bytes, told: str) -> None:
    answer = read_form(raw, kind, "y")
    assert not answer.form and re.search(told, answer.reason), answer.reason


def test_a_strangers_mesh_is_read_in_a_process_that_may_break() -> None:
    found = form_apart(bytes(seat().export(file_type="glb")), "glb", "y")
    assert likeness(found, rows(spectrum(np.asarray(seat().vertices), np.asarray(seat().faces))))[0][0] > 0.99
    with pytest.raises(RejectError, match="broken_mesh"):
        form_apart(endless_glb(), "glb", "y")


def endless_glb() -> bytes:
    """A few hundred bytes that claim four billion vertices, which a reader makes room for."""
    tree = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": 2**32, "type": "VEC3"}],
    }  # fmt: skip
    body = json.dumps(tree).encode()
    body += b" " * (-len(body) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(body), len(body), 0x4E4F534A) + body


def test_over_http(library: Library) -> None:
    app = create_app(library, ImageQuery(library, decode_image))
    app.state.similar = SimilarShapes(library, in_process)
    client = TestClient(app)
    found = client.get(f"/v1/shapes/{SEAT}/similar", params={"limit": 2}).json()["items"]
    assert found[0]["shape"]["id"] == 4 and len(found) == 2
    raw = bytes(forms()[FLAT].export(file_type="ply"))
    asked = client.post("/v1/similar", params={"format": "ply"}, files={"mesh": raw}).json()["items"]
    assert asked[0]["shape"]["id"] == FLAT and asked[0]["look"] is None
    assert client.post("/v1/similar", params={"format": "blend"}, files={"mesh": raw}).status_code == 422


def test_formats_are_known_by_their_names() -> None:
    assert MESH_FORMATS == FORMATS
    assert mesh_format("A chair.GLB") == "glb"
    with pytest.raises(ConfigError, match=r"\.stl"):
        mesh_format("chair.blend")
