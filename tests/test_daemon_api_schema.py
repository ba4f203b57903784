"""schemathesis over the OpenAPI schema: no server error, every response as it is declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from daemon.api.app import create_app
from daemon.query import ImageQuery
from index.curation import EditReport
from index.library import Library, open_library
from index.stream.decode import decode_image
from tests.library_factory import make_library
from tests.test_daemon_query import FakeBackbone, loading

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8  # of each route; `deadline` is off, since a loaded machine proves nothing


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = open_library(make_library(tmp_path_factory.mktemp("state")))
    yield library
    library.close()


def test_every_answer_is_as_declared(library: Library) -> None:
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), []))
    app = create_app(library, query, edit=lambda edit: EditReport(True, 1))
    # A stream of events does not end, which `test_daemon_editing` looks at.
    schema = schemathesis.openapi.from_asgi("/openapi.json", app).exclude(path="/v1/events")
    asked: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            response = case.call_and_validate(checks=CHECKS)
            asked[case.operation.label] += 1
            statuses[response.status_code] += 1

        ask()
    routes = sum(map(len, app.openapi()["paths"].values()))
    assert len(asked) == routes - 1, asked
    assert {200, 404, 422} <= set(statuses), statuses
