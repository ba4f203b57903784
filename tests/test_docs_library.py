"""The page of the library knows every command, route, kind of change and format."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from daemon.api.app import create_app
from daemon.cli.app import app
from daemon.cli.entry import load_commands
from daemon.cli.reference import reference
from daemon.client import Client
from daemon.export import FORMATS
from daemon.query import ImageQuery
from index.changes import KINDS
from index.library import open_library
from index.stream.decode import decode_image
from tests.library_factory import make_library

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text()
COMMANDS = (Path(__file__).parents[1] / "docs" / "commands.md").read_text()
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


def test_every_option_of_every_command_is_documented() -> None:
    assert reference() == COMMANDS, "run `python -m daemon.cli.reference > docs/commands.md`"
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        section = COMMANDS.partition(f"## shapelode {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            assert len(parameter.help or "") > 5, f"{name}: {parameter.name} says nothing of itself"
            told = parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]
            assert all(f"`{option}`" in section for option in told), (name, told)


def test_every_parameter_of_every_route_says_what_it_is(schema: dict[str, Any]) -> None:
    silent = [
        (route, parameter["name"])
        for route, methods in schema["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert silent == []


def test_shell_http_and_python_answer_the_same_questions(schema: dict[str, Any]) -> None:
    """Every route but those for files of the page, probes and logins is asked for by a method of the client."""
    asked = inspect.getsource(Client)
    for route in schema["paths"]:
        if route.startswith("/v1/") and route != "/v1/session":
            assert re.search(rf'"{re.sub("{[a-z]+}", "{[a-z]+}", route)}"', asked), route
