"""schemathesis over the OpenAPI schema: no server error, every response as it is declared."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    status_code_conformance,
)

from daemon.api.app import create_app
from daemon.mesh_worker import read_form
from daemon.query import ImageQuery
from daemon.similar import MeshFormat, SimilarShapes, Up
from index.curation import EditReport
from index.form import Spectra, unpack
from index.library import Library, open_library
from index.stream.decode import decode_image
from ops.errors import RejectError
from tests.library_factory import make_library
from tests.test_daemon_query import FakeBackbone, loading

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
EXAMPLES = 8  # of each route; `deadline` is off, since a loaded machine proves nothing


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = open_library(make_library(tmp_path_factory.mktemp("state")))
    yield library
    library.close()


def validator(document: dict[str, Any], path: str, method: str, response: Any) -> Draft202012Validator | None:
    """What a response has to be by the schema; None where it may be any bytes."""
    declared = document["paths"][path][method.lower()]["responses"][str(response.status_code)]
    kind = response.headers.get("content-type", [""])[0].partition(";")[0]
    schema = declared.get("content", {}).get("application/json", {}).get("schema")
    if kind != "application/json" or schema is None:
        return None
    return Draft202012Validator({**schema, "components": document["components"]})


def near(value: object) -> object:
    """A number brought to where there is something; ids that are drawn at random would hardly ever exist."""
    return value % 16 if type(value) is int else value


def unread(raw: bytes, kind: MeshFormat, up: Up) -> Spectra:
    """Reads a mesh here rather than in a process of its own, which takes a second to start."""
    answer = read_form(raw, kind, up)
    if answer.reason:
        raise RejectError("broken_mesh", answer.reason)
    found = unpack(base64.b64decode(answer.form))
    assert found is not None
    return found


def test_every_answer_is_as_declared(library: Library) -> None:
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), []))
    app = create_app(library, query, edit=lambda edit: EditReport(True, 1))
    app.state.similar = SimilarShapes(library, unread)
    document = app.openapi()
    # A stream of events does not end, which `test_daemon_editing` looks at.
    schema = schemathesis.openapi.from_asgi("/openapi.json", app).exclude(path="/v1/events")
    asked: Counter[str] = Counter()
    found: set[tuple[str, int]] = set()

    def as_declared(ctx: Any, response: Any, case: Any) -> None:
        # schemathesis' own check can't read the fixed-length arrays of OpenAPI 3.1 within referenced schemas.
        wanted = validator(document, case.operation.path, case.method, response)
        if wanted is not None:
            wanted.validate(response.json())
        found.add((case.operation.label, response.status_code))

    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            for parameters in (case.path_parameters, case.query):
                for name in {"id", "version", "other"} & set(parameters or ()):
                    parameters[name] = near(parameters[name])
            case.call_and_validate(checks=[*CHECKS, as_declared])
            asked[case.operation.label] += 1

        ask()
    assert len(asked) == sum(map(len, document["paths"].values())) - 1, asked
    answered = {label for label, status in found if status == 200}
    assert {"GET /v1/images/{id}", "GET /v1/shapes", "GET /v1/changes", "POST /v1/edits"} <= answered, found
    assert {404, 422} <= {status for _, status in found}
