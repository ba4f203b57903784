"""The Python client, against the real API over a small library: one schema, and our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from daemon.access import Access, Token
from daemon.api.app import create_app
from daemon.client import Client
from daemon.query import ImageQuery
from daemon.sights import sights
from daemon.similar import SimilarShapes
from index.curation import ClusterDeletion, ClusterEdit, Edit, EditReport, ImageEdit, SourceEdit
from index.library import Library, open_library
from index.rollback import Rollback
from index.stream.decode import decode_image
from ops.errors import ConfigError, NotFoundError, RejectError, SourceError, StateBusyError
from tests.library_factory import box_ply, make_library, png
from tests.test_daemon_query import FakeBackbone, loading
from tests.test_daemon_similar import in_process


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = open_library(make_library(tmp_path))
    yield library
    library.close()


class Recorder:
    """Stands in for the writer."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []

    def __call__(self, edit: Edit) -> EditReport:
        self.edits.append(edit)
        return EditReport(True, 3)


def over(app: FastAPI) -> httpx.MockTransport:
    """A way to an app in this process."""
    server = TestClient(app, raise_server_exceptions=False)

    def answer(request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        found = server.request(request.method, target, content=request.read(), headers=dict(request.headers))
        return httpx.Response(found.status_code, headers=dict(found.headers), content=found.content)

    return httpx.MockTransport(answer)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(library: Library, recorder: Recorder) -> Iterator[Client]:
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), []))
    app = create_app(library, query, edit=recorder)
    app.state.similar = SimilarShapes(library, in_process)
    with Client("http://testserver", transport=over(app)) as client:
        yield client


def test_it_answers_as_the_library_does(client: Client, library: Library) -> None:
    assert client.status() == library.status()
    assert client.clusters(order="id", limit=2) == library.clusters(order="id", limit=2)
    assert client.cluster(1) == library.cluster(1)
    assert client.members(1, limit=3) == library.members(1, limit=3)
    assert client.shapes(order="quality", max_loss=0.2).items == [library.shape(1)]
    assert client.shape(1, 1) == library.shape(1, 1)
    assert client.versions(1).items == library.versions(1)
    assert client.cameras(1, limit=100).items == library.cameras(1)
    assert client.images(limit=3) == library.images(limit=3)
    assert client.image(3) == library.image(3)
    assert client.lineage(2) == library.lineage(2)
    assert client.rejects("too_small") == library.rejects(reason="too_small")
    assert client.shards() == library.shards()
    assert client.changes(cluster=1) == library.changes(1)
    assert client.moment(images=3) == library.moment(images=3)
    assert client.shapes_at(images=10**6).items == library.shapes_at(10**6).items != []
    assert client.export(1, "ply") == library.artifact(1, "mesh.ply")
    assert client.crop(3) == library.crop_jpeg(3)
    assert client.preview(2) == library.artifact(2, "preview.png")
    assert client.similar(1, limit=3) == SimilarShapes(library).to_shape(1, limit=3)
    assert client.similar(1, by="look") == SimilarShapes(library).to_shape(1, by="look")
    assert client.similar_to_mesh(box_ply(), "ply", limit=1).items[0].form > 0.9
    assert client.sights(1, azimuth=180, limit=2).items == sights(library, 1)[:2] != []
    assert client.query(png((2, 0, 0)), limit=1).items[0].cluster == 2


def test_every_page_is_followed(client: Client, library: Library) -> None:
    assert [image.id for image in client.every(client.images, limit=4)] == list(range(14))
    assert [image.id for image in client.every(client.members, 1, limit=4)] == list(range(6))


def test_edits_arrive_as_they_are(client: Client, recorder: Recorder) -> None:
    edits: list[Edit] = [
        ClusterEdit(1, "a name", ("x",), ("y",), True, False, None), ClusterDeletion(2),
        ImageEdit((1, 2), "quarantine"), SourceEdit("/crawl/0.tar", "delete"),
    ]  # fmt: skip
    assert [client.edit(edit) for edit in edits] == [EditReport(True, 3)] * 4
    assert client.rollback(1, 2).changed
    assert recorder.edits == [*edits, Rollback(1, 2)]


def test_errors_are_our_own(client: Client) -> None:
    with pytest.raises(NotFoundError, match="cluster 99"):
        client.cluster(99)
    with pytest.raises(ConfigError, match="bad cursor"):
        client.images(after="nonsense")
    with pytest.raises(ConfigError, match="order"):
        client.shapes(order="colour")
    with pytest.raises(RejectError, match="broken_image"):
        client.query(b"text")


def test_a_server_that_only_reads_says_so(library: Library) -> None:
    transport = over(create_app(library, ImageQuery(library, decode_image)))
    with Client("http://testserver", transport=transport) as client, pytest.raises(StateBusyError, match="only"):
        client.edit(ClusterDeletion(1))


def test_a_token_is_sent(library: Library) -> None:
    app = create_app(library, ImageQuery(library, decode_image), Access(Token("secret" * 4)))
    transport = over(app)
    with Client("http://testserver", "secret" * 4, transport=transport) as client:
        assert client.status().images == 14
    with Client("http://testserver", transport=transport) as client, pytest.raises(ConfigError, match="token"):
        client.status()


def test_who_does_not_answer_or_not_so_is_told() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(SourceError, match="cannot reach"):
        client.status()
    other = httpx.MockTransport(lambda request: httpx.Response(404, text="a web server"))
    with Client("http://x", transport=other) as client, pytest.raises(SourceError, match="answered 404"):
        client.status()
