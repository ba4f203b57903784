"""`shapelode config`: every configuration key with the value in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from daemon.cli.app import app
from daemon.cli.run import parse_settings
from daemon.config import describe, load_config


@app.command()
def config(
    file: Annotated[Path | None, typer.Option("--config", help="TOML file.", envvar="SHAPELODE_CONFIG")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="section.key=value; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every configuration key, the value in force and what it does.

    Example:

      shapelode config --config shapelode.toml --set stream.batch_size=64
    """
    values = load_config(file, parse_settings(setting or [])).model_dump()
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    table = Table("key", "value", "what it does", box=None)
    for key, _, default, text in describe():
        section, _, name = key.partition(".")
        value = values[section][name]
        table.add_row(key, f"[bold]{value}[/bold]" if value != default else str(value), text)
    Console().print(table)
