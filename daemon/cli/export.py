"""`shapelode export`: a shape, or all of them, as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, VersionOption, app
from daemon.cli.opening import opened
from ops.errors import ConfigError

if TYPE_CHECKING:
    from index.library import Library


class ExportFormat(StrEnum):
    """Formats of an export."""

    glb = "glb"
    obj = "obj"
    ply = "ply"
    usdz = "usdz"
    cameras = "cameras"
    colmap = "colmap"
    nerfstudio = "nerfstudio"
    masks = "masks"
    coordinates = "coordinates"
    keypoints = "keypoints"
    dataset = "dataset"


@app.command()
def export(
    shape: Annotated[int | None, typer.Argument(min=0, help="The shape's id; without it a data set of all.")] = None,
    format: Annotated[ExportFormat, typer.Option("--format", "-f", help="What to write.")] = ExportFormat.glb,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write, - for standard output; a folder for all.")
    ] = None,
    version: VersionOption = None,
    per_shard: Annotated[int, typer.Option(min=1, help="Images a shard of a data set of all shapes.")] = 1000,
    sure: Annotated[float, typer.Option(min=0, max=1, help="Only images whose cameras are as certain.")] = 0.0,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Write a shape for other programs, or a data set of all shapes.

    glb, obj, ply and usdz are the coloured mesh, y up, longest side 1. cameras and keypoints are JSON. colmap is a
    zip of a COLMAP text model with images and masks, nerfstudio one with transforms.json, masks one of images and
    masks, coordinates one of images and the points of the shape behind their pixels. dataset is a webdataset shard with
    image, mask and pose of each sample. Cameras are pinhole cameras of the square crops; docs/library.md tells the
    conventions.

    Examples:

      shapelode export 3 --format glb -o chair.glb

      shapelode export 3 --format cameras -o - | jq '.cameras[0]'

      shapelode export 3 --format colmap -o chair.zip && unzip chair.zip -d chair

      shapelode export 3 --format nerfstudio && unzip shape-3-v2.nerfstudio.zip -d chair

      shapelode export 3 --format masks

      shapelode export 3 --format coordinates

      shapelode export --format dataset -o data --per-shard 1000 --sure 0.9
    """
    with opened(state) as library:
        if shape is None:
            _export_all(library, format, output, per_shard, sure, as_json)
        else:
            _export_one(library, shape, version, format, output, sure, as_json)


def _export_one(
    library: Library,
    shape: int,
    version: int | None,
    format: ExportFormat,
    output: Path | None,
    sure: float,
    as_json: bool,
) -> None:
    from daemon.cli.output import print_json
    from daemon.export import export as export_shape
    from daemon.export import file_name, write_atomic

    found = library.shape(shape, version).version
    data = export_shape(library, shape, found, format.value, sure)
    if str(output) == "-":
        typer.get_binary_stream("stdout").write(data)
        return
    target = output or Path(file_name(shape, found, format.value))
    write_atomic(target, data)
    if as_json:
        print_json({"shape": shape, "version": found, "file": str(target), "bytes": len(data)})
    else:
        typer.echo(f"{target}: shape {shape} version {found}, {len(data):,} bytes")


def _export_all(
    library: Library, format: ExportFormat, output: Path | None, per_shard: int, sure: float, as_json: bool
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from daemon.cli.output import print_json
    from daemon.export import write_atomic
    from daemon.formats.dataset import write_dataset

    if format is not ExportFormat.dataset or output is None or str(output) == "-":
        raise ConfigError("name a shape, or a data set of all shapes: `shapelode export --format dataset -o FOLDER`")
    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("shapes")
        written = write_dataset(
            library,
            output,
            per_shard,
            write_atomic,
            lambda done, all: shown.update(task, completed=done, total=all),
            sure,
        )
    if as_json:
        print_json(written)
    else:
        typer.echo(f"{output}: {written.images:,} images of {written.shapes:,} shapes in {written.shards:,} shards")
