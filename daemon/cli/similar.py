"""`shapelode similar`: the shapes most like a shape, or like a mesh from elsewhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, VersionOption, app
from daemon.cli.opening import opened
from daemon.cli.query import read_input

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.similar import SimilarShape


class Alike(StrEnum):
    """In what shapes are alike."""

    form = "form"
    look = "look"


class Axis(StrEnum):
    """Axes that may point up."""

    y = "y"
    z = "z"


@app.command()
def similar(
    shape: Annotated[str, typer.Argument(help="The shape's id, or a mesh file: .glb, .obj, .ply, .stl or .off.")],
    by: Annotated[Alike, typer.Option(help="Their surfaces, or what their images look like.")] = Alike.form,
    up: Annotated[Axis, typer.Option(help="The axis of a mesh file that points up.")] = Axis.y,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Shapes at most.")] = 10,
    version: VersionOption = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Find the shapes most like a shape of the library, or like a mesh file.

    Examples:

      shapelode similar 12

      shapelode similar 12 --by look --json

      shapelode similar chair.stl --up z
    """
    from daemon.cli.output import print_page
    from daemon.similar import SimilarShapes, mesh_format

    with opened(state) as library:
        shapes = SimilarShapes(library)
        if shape.isdecimal():
            page = shapes.to_shape(int(shape), version, by.value, limit)
        else:
            path = Path(shape)
            page = shapes.to_mesh(read_input(path), mesh_format(path.name), up.value, limit)
    print_page(page, _COLUMNS, as_json=as_json, empty="there is no other shape yet")


_COLUMNS: tuple[Column[SimilarShape], ...] = (
    ("shape", lambda m: m.shape.id),
    ("name", lambda m: m.shape.name),
    ("version", lambda m: f"v{m.shape.version}"),
    ("images", lambda m: m.shape.images),
    ("loss", lambda m: float(m.shape.loss)),
    ("form", lambda m: m.form),
    ("turned by", lambda m: f"{m.turn:.0f}"),
    ("look", lambda m: "-" if m.look is None else f"{m.look:.3f}"),
)
