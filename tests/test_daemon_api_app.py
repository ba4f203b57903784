"""The HTTP API over a small library: answers, paging, the one error shape, the schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.api.security import MAX_BODY_BYTES
from daemon.query import ImageQuery
from index.library import Library, open_library
from index.paging import encode_cursor
from index.stream.decode import decode_image
from tests.library_factory import make_library, png
from tests.test_daemon_query import FakeBackbone, loading


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    library = open_library(make_library(tmp_path))
    yield library
    library.close()


@pytest.fixture
def client(library: Library) -> TestClient:
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), []))
    return TestClient(create_app(library, query), raise_server_exceptions=False)


def pages(client: TestClient, path: str) -> list[Any]:
    items: list[Any] = []
    after = ""
    while True:
        page = client.get(f"{path}{'&' if '?' in path else '?'}limit=2{after}").json()
        items += page["items"]
        if page["next"] is None:
            return items
        after = f"&after={page['next']}"


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/v1/clusters", 3),
        ("/v1/clusters?order=id", 3),
        ("/v1/clusters?min_size=4", 2),
        ("/v1/clusters/1/images", 6),
        ("/v1/shapes", 2),
        ("/v1/shapes/1/versions", 2),
        ("/v1/shapes/1/versions?outcome=published", 2),
        ("/v1/shapes/1/versions?outcome=candidate", 0),
        ("/v1/shapes?candidates=true", 2),
        ("/v1/shapes/1/cameras", 6),
        ("/v1/images", 14),
        ("/v1/lineage", 3),
        ("/v1/lineage?cluster=2", 1),
        ("/v1/rejects", 3),
        ("/v1/rejects?reason=broken_image", 2),
        ("/v1/shards", 1),
    ],
)
def test_paging_by_two_gives_the_whole_list_once(client: TestClient, path: str, count: int) -> None:
    whole = client.get(path).json()
    assert whole["next"] is None
    assert len(whole["items"]) == count
    assert pages(client, path) == whole["items"]


def test_answers_are_the_librarys_summaries(client: TestClient, library: Library) -> None:
    for path, value in (
        ("/v1/status", library.status()),
        ("/v1/clusters/2", library.cluster(2)),
        ("/v1/shapes/1", library.shape(1)),
        ("/v1/shapes/1?version=1", library.shape(1, 1)),
        ("/v1/images/5", library.image(5)),
        ("/v1/shapes", library.shapes()),
    ):
        assert client.get(path).json() == msgspec.json.decode(msgspec.json.encode(value)), path


@pytest.mark.parametrize("path", ["/v1/images", "/v1/rejects", "/v1/clusters/1/images", "/v1/clusters", "/v1/lineage"])
@pytest.mark.parametrize("position", [(-5,), (2**63 - 1,), (2**64,), (-(2**70),), (-5, -5), (2**70, 1), ()])
def test_forged_cursors_never_break_the_server(client: TestClient, path: str, position: tuple[int, ...]) -> None:
    assert client.get(path, params={"after": encode_cursor(*position)}).status_code in (200, 400)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/shapes/99", 404, "not_found"),
        ("GET", "/v1/shapes/3", 404, "not_found"),
        ("GET", "/v1/clusters/99/images", 404, "not_found"),
        ("GET", "/v1/images/99/crop.jpg", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/page/nothing.js", 404, "not_found"),
        ("GET", "/page/../app.py", 404, "not_found"),
        ("DELETE", "/v1/shapes/1", 405, "method_not_allowed"),
        ("GET", "/v1/shapes?after=nonsense", 400, "bad_request"),
        ("GET", "/v1/lineage?after=Wy0xXQ", 400, "bad_request"),
        ("GET", "/v1/shapes?limit=0", 422, "invalid"),
        ("GET", "/v1/shapes?order=colour", 422, "invalid"),
        ("GET", "/v1/shapes/minus", 422, "invalid"),
        ("GET", f"/v1/shapes/{2**64}", 422, "invalid"),
        ("GET", "/v1/shapes/1/export?format=fbx", 422, "invalid"),
        ("POST", "/v1/query", 422, "invalid"),
    ],
)
def test_every_error_has_the_one_shape(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    body = response.json()
    assert set(body) == {"error"} and set(body["error"]) == {"code", "message", "detail"}
    assert body["error"]["code"] == code and body["error"]["message"]


def test_a_crash_has_the_same_shape_and_tells_no_secrets(
    client: TestClient, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(library, "status", crash)
    response = client.get("/v1/status")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


def test_an_empty_state_is_alive_but_not_ready(tmp_path: Path) -> None:
    from index.store import Store

    Store(tmp_path / "new", readonly=False, map_size_gib=0.1).close()
    library = open_library(tmp_path / "new")
    client = TestClient(create_app(library, ImageQuery(library, decode_image)))
    assert client.get("/healthz").json() == {"status": "ok"}
    response = client.get("/readyz")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "library_unavailable")
    library.close()


def test_files_have_types_and_are_revalidated(client: TestClient) -> None:
    for path, kind, magic in (
        ("/v1/shapes/1/preview.png", "image/png", b"\x89PNG"),
        ("/v1/images/0/crop.jpg", "image/jpeg", b"\xff\xd8"),
        ("/v1/shapes/1/export", "model/gltf-binary", b"glTF"),
        ("/v1/shapes/1/export?format=obj", "model/obj", b"#"),
    ):
        response = client.get(path)
        assert response.headers["content-type"].startswith(kind)
        assert response.content.startswith(magic)
        again = client.get(path, headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert 'filename="shape-1-v2.glb"' in client.get("/v1/shapes/1/export").headers["content-disposition"]


def test_query_by_image(client: TestClient) -> None:
    body = client.post("/v1/query?limit=1", files={"image": png((2, 0, 0))}).json()
    assert [match["cluster"] for match in body["items"]] == [2]
    assert body["items"][0]["shape"]["version"] == 1


def test_refused_images_say_why(client: TestClient) -> None:
    response = client.post("/v1/query", files={"image": b"text"})
    assert response.status_code == 422
    assert response.json()["error"]["detail"]["reason"] == "broken_image"


def test_too_large_a_body_is_refused_announced_or_not(client: TestClient) -> None:
    announced = client.post("/v1/query", files={"image": b"x" * (MAX_BODY_BYTES + 1)})
    chunks = (b"x" * 2**20 for _ in range(MAX_BODY_BYTES // 2**20 + 1))
    kind = {"content-type": "multipart/form-data; boundary=b"}
    for response in (announced, client.post("/v1/query", content=chunks, headers=kind)):
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "too_large"


def test_every_response_forbids_what_the_page_does_not_need(client: TestClient) -> None:
    for path in ("/", "/v1/status", "/v1/shapes/99", "/page/app.js"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


def test_the_schema_declares_errors_of_every_route(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    reference = {"$ref": "#/components/schemas/ErrorBody"}
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            errors = {k: v for k, v in operation["responses"].items() if int(k) >= 400}
            assert {"401", "405", "421", "500", "503"} <= set(errors), path
            assert all(e["content"]["application/json"]["schema"] == reference for e in errors.values()), path
            if "{id}" in path:
                assert {"404", "422"} <= set(errors), path


def test_the_page_asks_nobody_else_and_has_no_inline_code(client: TestClient) -> None:
    from daemon.api.app import PAGE

    html = client.get("/").text
    assert "<script>" not in html and "style=" not in html and "onclick=" not in html
    for file in PAGE.iterdir():
        text = re.sub(r"http://www\.w3\.org/(2000/svg|1999/xhtml)", "", file.read_text())
        assert "http://" not in text and "https://" not in text, file.name
        assert client.get(f"/page/{file.name}").status_code == 200
