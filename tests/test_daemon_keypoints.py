from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.cli.entry import run_command
from daemon.client import Client
from daemon.export import export
from daemon.keypoints import read_keypoints
from daemon.query import ImageQuery
from index.jobs import KEYPOINTS
from index.keypoints import KeypointsRecord, SightRecord
from index.library import Library, open_library
from index.records import DeletedRecord
from index.store import Store
from index.stream.decode import decode_image
from index.tables import ARTIFACTS, DELETED
from ops.errors import NotFoundError, StateError
from tests.library_factory import make_library
from tests.test_daemon_client import over
from tests.test_daemon_query import FakeBackbone, loading

SIGHTS = tuple(SightRecord(image, ((0.0, 0.0), (0.5, -1.0)), (True, image == 2), (0.5,)) for image in range(4))
RECORD = KeypointsRecord(
    ((0.0, 0.0, 0.0), (0.1, 0.2, 0.3)), ((0, 1),), (((0.0, 0.0, 0.0), (0.3, 0.0, 0.4)),), 0.03, 0.01, SIGHTS
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = make_library(tmp_path)
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, KEYPOINTS), msgspec.json.encode(RECORD))
        txn.put(ARTIFACTS, (2, 1, KEYPOINTS), b'{"points":[]}')
    store.close()
    return folder


@pytest.fixture
def library(state: Path) -> Iterator[Library]:
    library = open_library(state)
    yield library
    library.close()


def test_places_are_given_in_pixels(library: Library) -> None:
    found = read_keypoints(library, 1)
    assert (found.shape, found.version, found.edges, found.residual) == (1, 2, ((0, 1),), 0.03)
    assert [image.image for image in found.images] == [0, 1, 2, 3]
    assert found.images[2].pixels == ((112.0, 112.0), (168.0, 0.0)) and found.images[2].visible == (True, True)
    whole = read_keypoints(library, 1, original=True)
    assert whole.original and whole.images[0].pixels == ((210.0, 220.0), (310.0, 20.0))  # the box is 10, 20 to 410, 420


def test_images_that_were_deleted_are_left_out(state: Path) -> None:
    store = Store(state, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(DELETED, 1, DeletedRecord("/crawl/0.tar", 1, 0.0))
    store.close()
    library = open_library(state)
    assert [image.image for image in read_keypoints(library, 1).images] == [0, 2, 3]
    library.close()


def test_what_is_missing_or_damaged_is_told(library: Library) -> None:
    with pytest.raises(NotFoundError, match="version 1 of shape 1 has no keypoints"):
        read_keypoints(library, 1, 1)
    with pytest.raises(NotFoundError, match="version 9"):
        read_keypoints(library, 1, 9)
    with pytest.raises(StateError, match="keypoints of shape 2 are damaged"):
        read_keypoints(library, 2)


def test_http_python_and_shell_answer_alike(library: Library, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(library, ImageQuery(library, decode_image, loading(FakeBackbone(), [])))
    here = read_keypoints(library, 1)
    with Client("http://library", transport=over(app)) as client:
        assert client.keypoints(1) == client.keypoints(1, 2) == here
        assert client.keypoints(1, original=True) == read_keypoints(library, 1, original=True)
        with pytest.raises(NotFoundError, match="no keypoints"):
            client.keypoints(1, 1)
    assert TestClient(app).get("/v1/shapes/2/keypoints").status_code == 503
    assert json.loads(export(library, 1, None, "keypoints")) == json.loads(msgspec.json.encode(here))
    library.close()
    assert run_command(["keypoints", "1", "--state", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(msgspec.json.encode(here))
    assert run_command(["keypoints", "1", "--state", str(state)]) == 0
    printed = capsys.readouterr().out
    assert "0.100, 0.200, 0.300" in printed and "0.500" in printed  # its place, and how far it moves
