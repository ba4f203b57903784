"""The page of the library knows every command, route, kind of change and format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from daemon.api.app import create_app
from daemon.cli.app import app
from daemon.cli.entry import load_commands
from daemon.export import FORMATS
from daemon.query import ImageQuery
from index.changes import KINDS
from index.library import open_library
from index.stream.decode import decode_image
from tests.library_factory import make_library

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text()
LISTS = ("clusters", "shapes")


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    library = open_library(make_library(tmp_path_factory.mktemp("state")))
    found = create_app(library, ImageQuery(library, decode_image)).openapi()
    library.close()
    return found


def test_every_route_has_its_line(schema: dict[str, Any]) -> None:
    lines = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `") and " /" in line}
    routes = {
        f"{method.upper()} {path}": operation["description"].splitlines()[0]
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    assert set(lines) == set(routes)
    for route, description in routes.items():
        assert description in lines[route], route


def test_every_kind_of_change_and_every_format_is_told() -> None:
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in PAGE
    for name in FORMATS:
        assert f"`{name}`" in PAGE


def test_every_command_has_its_line_and_an_example() -> None:
    load_commands()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        told = command.help or ""
        assert f"| `shapelode {name}` | {told.strip().splitlines()[0]} |" in PAGE, name
        assert f"shapelode {name}" in told, f"{name} has no example"


@pytest.mark.parametrize("name", LISTS)
def test_every_filter_is_in_shell_api_and_docs(schema: dict[str, Any], name: str) -> None:
    load_commands()
    options = {
        option.removeprefix("--")
        for parameter in get_command(app).commands[name].params  # type: ignore[attr-defined]
        for option in parameter.opts
        if option.startswith("--")
    }
    parameters = {each["name"].replace("_", "-") for each in schema["paths"][f"/v1/{name}"]["get"]["parameters"]}
    assert parameters <= options
    for option in parameters - {"after", "limit"}:
        assert f"`--{option}`" in PAGE, option
