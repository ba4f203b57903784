"""The page of every command and option: `python -m daemon.cli.reference` prints docs/commands.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from daemon.cli.app import app
from daemon.cli.entry import load_commands

_HEAD = """# Commands

Every command, argument and option. `shapelode COMMAND --help` tells the same. This page is what
`python -m daemon.cli.reference` prints.
"""


def reference() -> str:
    """The page, as Markdown."""
    load_commands()
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join([_HEAD, *(line for name in sorted(commands) for line in _command(name, commands[name]))])


def _command(name: str, command: Any) -> Iterator[str]:
    told, _, rest = (command.help or "").strip().partition("\n")
    yield f"## shapelode {name}\n"
    yield f"{told}\n"
    examples = [line.strip() for line in rest.splitlines() if line.strip().startswith(("shapelode ", "curl "))]
    if examples:
        yield "```\n" + "\n".join(examples) + "\n```\n"
    yield "| option | default | meaning |"
    yield "| --- | --- | --- |"
    yield from (_row(parameter) for parameter in command.params)
    yield ""


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    meaning = (parameter.help or "").replace("|", "\\|")
    if parameter.envvar:
        meaning += f" Else `{parameter.envvar}`."
    return f"| {names} | {_default(parameter)} | {meaning} |"


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "needed"
    if value is None or value is False or value == () or value == []:
        return ""
    return f"`{getattr(value, 'value', value)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
