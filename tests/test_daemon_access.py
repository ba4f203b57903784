"""Who may come in: tokens, names, and what a start without a token says."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from daemon.access import TOKEN_ENV, Access, Token, access_for, is_loopback, read_token
from daemon.api.app import create_app
from daemon.metrics_server import MetricsServer
from daemon.query import ImageQuery
from index.library import open_library
from index.stream.decode import decode_image
from ops.errors import ConfigError
from tests.library_factory import make_library

SECRET = "correct horse battery staple"
LOCKED = Access(Token(SECRET))
BEARER = {"Authorization": f"Bearer {SECRET}"}


def client_of(folder: Path, access: Access, base_url: str = "http://testserver") -> Iterator[TestClient]:
    library = open_library(make_library(folder))
    app = create_app(library, ImageQuery(library, decode_image), access)
    yield TestClient(app, base_url=base_url, raise_server_exceptions=False)
    library.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    yield from client_of(tmp_path, LOCKED)


def every_path(client: TestClient) -> list[tuple[str, str]]:
    schema = client.get("/openapi.json", headers=BEARER).json()
    return [
        (method.upper(), path.replace("{id}", "1")) for path, methods in schema["paths"].items() for method in methods
    ]


def test_nothing_but_the_page_and_signs_of_life_is_open(client: TestClient) -> None:
    paths = every_path(client)
    assert len(paths) > 15
    for method, path in paths:
        refused = client.request(method, path).status_code == 401
        assert refused == (path not in ("/healthz", "/readyz", "/v1/session")), path
    assert client.get("/openapi.json").status_code == 401
    assert client.get("/").status_code == client.get("/page/app.js").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", SECRET,
     "Bearer \xff\xfe", f"Bearer {SECRET.upper()}"],
)  # fmt: skip
def test_anything_but_the_token_is_refused_in_the_one_shape(client: TestClient, header: str) -> None:
    response = client.get("/v1/status", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "unauthorized"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_the_token_opens_everything_but_not_as_a_part_of_the_address(client: TestClient) -> None:
    assert client.get("/v1/status", headers=BEARER).status_code == 200
    assert client.get("/v1/images/0/crop.jpg", headers=BEARER).status_code == 200
    for query in (f"token={SECRET}", f"access_token={SECRET}"):
        assert client.get(f"/v1/status?{query}").status_code == 401


def test_the_page_logs_in_with_a_cookie_that_is_not_the_token(client: TestClient) -> None:
    assert client.post("/v1/session", json={"token": "wrong"}).status_code == 401
    assert client.get("/v1/status").status_code == 401
    response = client.post("/v1/session", json={"token": f" {SECRET}\n"})
    assert (response.status_code, response.content) == (204, b"")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and SECRET not in cookie
    assert client.get("/v1/status").status_code == 200
    client.delete("/v1/session")
    assert client.get("/v1/status").status_code == 401
    client.cookies.set("shapelode_session", Token("another token here").session())
    assert client.get("/v1/status").status_code == 401


def test_without_a_token_everything_is_open_and_a_login_needs_none(tmp_path: Path) -> None:
    for client in client_of(tmp_path, Access()):
        assert client.get("/v1/status").status_code == 200
        assert client.post("/v1/session", json={"token": ""}).status_code == 204


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_no_other_site_is_let_in_by_a_browser(client: TestClient, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        response = client.request(
            method, "/v1/status", headers={**BEARER, "Origin": origin, "Access-Control-Request-Method": "GET"}
        )
        assert not [name for name in response.headers if name.startswith("access-control-")]
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8321", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:8321", 200), ("lib.internal:80", 200),
     ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("[::2]", 421), ("", 421)],
)  # fmt: skip
def test_on_loopback_other_names_are_refused(tmp_path: Path, host: str, status: int) -> None:
    access = access_for("api", "127.0.0.1", None, "lib.internal, other")
    for client in client_of(tmp_path, access, "http://localhost"):
        response = client.get("/v1/status", headers={"Host": host})
        assert response.status_code == status
        if status == 421:
            assert response.json()["error"]["code"] == "wrong_host"


def test_the_metrics_ask_for_the_same() -> None:
    with MetricsServer("127.0.0.1", 0, Access(Token(SECRET), frozenset({"127.0.0.1"}))) as server:
        assert httpx.get(server.url).status_code == 401
        assert httpx.get(server.url, headers={**BEARER, "Host": "evil.example"}).status_code == 421
        assert "shapelode_images_total" in httpx.get(server.url, headers=BEARER).text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_beyond_loopback_a_token_is_a_must(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="without a token") as caught:
        access_for("the API", host, None)
    assert "\n" not in str(caught.value)
    assert access_for("the API", host, Token(SECRET)).hosts is None
    with pytest.raises(ConfigError):
        MetricsServer(host or "0.0.0.0", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    assert is_loopback(host) and access_for("the API", host, None).token is None


@pytest.mark.parametrize(
    "command",
    [
        ["serve", "--host", "0.0.0.0", "--port", "0"],
        ["run", "--shards", "x.tar", "--set", "api.host=0.0.0.0"],
        ["run", "--shards", "x.tar", "--no-api", "--set", "metrics.host=::"],
    ],
)
def test_a_start_beyond_loopback_without_a_token_is_one_line(tmp_path: Path, command: list[str]) -> None:
    make_library(tmp_path)
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *command, "--state", str(tmp_path)], cwd=root, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": str(root)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "without a token" in done.stderr


def test_the_file_wins_and_the_environment_forgets(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    env = {TOKEN_ENV: "y" * 20, "HOME": "/"}
    token = read_token(str(file), env)
    assert token is not None and token.matches(SECRET) and env == {"HOME": "/"}
    from_env = read_token("", {TOKEN_ENV: "y" * 20})
    assert from_env is not None and from_env.matches("y" * 20) and not from_env.matches("y" * 19)
    assert read_token("", {}) is None


@pytest.mark.parametrize(("content", "message"), [(b"short", "5 characters"), (b"", "0 characters"), (b"\xff", "read")])
def test_a_token_that_keeps_nobody_out_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_token(str(file), {})
    with pytest.raises(ConfigError, match="cannot read"):
        read_token(str(tmp_path / "none"), {})


def test_no_log_and_no_traceback_shows_the_token(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/v1/status", headers=BEARER)
        client.post("/v1/session", json={"token": SECRET})
        client.post("/v1/session", content=f"not json {SECRET}", headers={"content-type": "application/json"})
    assert SECRET not in caplog.text
    assert SECRET not in repr(LOCKED) + str(vars(LOCKED.token)) + json.dumps(str(LOCKED))
