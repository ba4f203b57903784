"""The typer app that every command registers with, and the options several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATE = Path("shapelode-state")

app = typer.Typer(
    name="shapelode",
    help="Mines 3D shapes from a stream of images, and answers questions about those it has found.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

StateOption = Annotated[Path, typer.Option("--state", help="State directory.", envvar="SHAPELODE_STATE")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as the HTTP API answers.")]
AfterOption = Annotated[str | None, typer.Option(help="The `next` of the page before.")]
LimitOption = Annotated[int, typer.Option(help="Items a page, 1 to 1000.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="Version of the shape; by default the published one.")
]
