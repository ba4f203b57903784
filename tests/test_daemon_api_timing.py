from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.health import Health, Phase
from daemon.query import ImageQuery
from daemon.telemetry import Telemetry
from index.library import open_library
from index.stream.decode import decode_image
from tests.library_factory import make_library
from tests.test_daemon_telemetry import value

HEALTH = Health(Telemetry())


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    library = open_library(make_library(tmp_path))
    yield TestClient(create_app(library, ImageQuery(library, decode_image), daemon_health=HEALTH))
    library.close()


def count(route: str, status: str) -> float:
    return value("shapelode_api_request_seconds_count", route=route, status=status)


def test_requests_are_measured_by_route_and_never_by_what_was_asked_for(client: TestClient) -> None:
    before = count("/v1/shapes/{id}", "2xx"), count("/v1/shapes/{id}", "4xx"), count("none", "4xx")
    for path in ("/v1/shapes/1", "/v1/shapes/1?version=1", "/v1/shapes/99", "/v1/nothing/here"):
        client.get(path)
    after = count("/v1/shapes/{id}", "2xx"), count("/v1/shapes/{id}", "4xx"), count("none", "4xx")
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1]


def test_readiness_is_the_daemons(client: TestClient) -> None:
    HEALTH.phase = Phase.STARTING
    answer = client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["error"]["code"] == "unavailable"
    assert "starting" in answer.json()["error"]["message"]
    assert client.get("/healthz").status_code == 200
    HEALTH.phase = Phase.RUNNING
    assert client.get("/readyz").status_code == 200
