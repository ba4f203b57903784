"""`shapelode doctor`: what would keep a daemon from running here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from daemon.cli.run import parse_settings

if TYPE_CHECKING:
    from daemon.doctor import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@app.command()
def doctor(
    state: StateOption = DEFAULT_STATE,
    file: Annotated[Path | None, typer.Option("--config", help="TOML file.", envvar="SHAPELODE_CONFIG")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="section.key=value; may be repeated.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Load the backbone as well; takes some seconds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the installation, the machine, a configuration and a state directory, and say what to do.

    Changes nothing; exits with 1 if something would keep a daemon from running.

    Examples:

      shapelode doctor --state library

      shapelode doctor --config shapelode.toml --deep

      shapelode doctor --json | jq '.[] | select(.level != "ok")'
    """
    from rich.console import Console

    from daemon.cli.output import print_json
    from daemon.doctor import examine

    with Console(stderr=True).status("looking") as progress:
        overrides = parse_settings(setting or [])
        found = list(examine(state, file, overrides, deep=deep, tell=lambda name: progress.update(f"looking: {name}")))
    if as_json:
        print_json(found)
    else:
        _tell(found)
    if any(one.level == "problem" for one in found):
        raise typer.Exit(1)


def _tell(found: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(soft_wrap=True)
    for one in found:
        colour = _COLOURS[one.level]
        console.print(f"[{colour}]{one.level:<8}[/{colour}] {one.check}: {escape(one.what)}")
        if one.todo and one.level != "ok":
            console.print(f"         [dim]{escape(one.todo)}[/dim]")
    problems = sum(one.level == "problem" for one in found)
    console.print("[green]nothing keeps a daemon from running here[/green]" if not problems else f"{problems} problems")
