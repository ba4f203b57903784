"""`shapelode export`: a shape as a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, VersionOption, app
from daemon.cli.library import opened


class ExportFormat(StrEnum):
    """Formats of an export."""

    glb = "glb"
    obj = "obj"
    ply = "ply"
    cameras = "cameras"


@app.command()
def export(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    format: Annotated[ExportFormat, typer.Option("--format", "-f", help="What to write.")] = ExportFormat.glb,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write, - for standard output.")] = None,
    version: VersionOption = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write a shape's mesh, or its cameras as JSON, to a file.

    Examples:

      shapelode export 3 --format glb -o chair.glb

      shapelode export 3 --format cameras -o - | jq '.cameras[0]'
    """
    from daemon.cli.output import print_json
    from daemon.export import export as export_shape
    from daemon.export import file_name, write_atomic

    with opened(state) as library:
        found = library.shape(shape, version).version
        data = export_shape(library, shape, found, format.value)
    if str(output) == "-":
        typer.get_binary_stream("stdout").write(data)
        return
    target = output or Path(file_name(shape, found, format.value))
    write_atomic(target, data)
    if as_json:
        print_json({"shape": shape, "version": found, "file": str(target), "bytes": len(data)})
    else:
        typer.echo(f"{target}: shape {shape} version {found}, {len(data):,} bytes")
