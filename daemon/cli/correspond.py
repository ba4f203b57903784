"""`shapelode correspond`: from a pixel to the shape, and to the same place in other images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, VersionOption, app
from daemon.cli.opening import opened
from ops.errors import ConfigError

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.correspond import Correspondence, Correspondences, ImagePlace

    Row = tuple[Correspondence, ImagePlace]


@app.command()
def correspond(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    image: Annotated[int | None, typer.Option(min=0, help="The image that the pixels are in.")] = None,
    pixel: Annotated[list[str] | None, typer.Option(help="X,Y from its top left corner; may be repeated.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="X,Y,Z on the shape; may be repeated.")] = None,
    to: Annotated[
        list[int] | None, typer.Option(help="Find it in this image; may be repeated. By default all.")
    ] = None,
    refine: Annotated[bool, typer.Option("--refine", help="Draw what pixels show to where its features are.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Pixels of the original images, not the crops.")] = False,
    version: VersionOption = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Find the point of a shape behind a pixel of one of its images, and where that is in the others.

    Examples:

      shapelode correspond 3 --image 17 --pixel 112,80

      shapelode correspond 3 --image 17 --pixel 112,80 --pixel 60,150 --to 21 --refine

      shapelode correspond 3 --point 0.1,0.4,0 --json
    """
    from daemon.cli.output import print_json
    from daemon.correspond import PointFinder, PointQuery
    from daemon.query import ImageQuery
    from index.stream.decode import decode_image

    pixels = tuple((x, y) for x, y in _numbers(pixel, 2, "--pixel X,Y"))
    points = tuple((x, y, z) for x, y, z in _numbers(point, 3, "--point X,Y,Z"))
    asked = PointQuery(image, pixels, points, None if to is None else tuple(to), refine, original)
    with opened(state) as library:
        found = PointFinder(library, ImageQuery(library, decode_image).backbone)(shape, asked, version)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: Correspondences) -> None:
    from daemon.cli.output import print_page
    from index.summaries import Page

    rows = [(item, place) for item in found.items for place in item.places]
    print_page(Page(rows, None), _COLUMNS, as_json=False, empty="no other image has a camera")


def _numbers(texts: list[str] | None, count: int, form: str) -> Iterator[tuple[float, ...]]:
    for text in texts or ():
        try:
            found = tuple(float(part) for part in text.split(","))
        except ValueError:
            found = ()
        if len(found) != count:
            raise ConfigError(f"{text!r} is not {form}")
        yield found


def _shown(values: tuple[float, ...], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _state(row: Row) -> str:
    return "visible" if row[1].visible else "hidden"


_COLUMNS: tuple[Column[Row], ...] = (
    ("pixel", lambda row: _shown(row[0].pixel, 1) if row[0].pixel else "-"),
    ("on the shape", lambda row: _shown(row[0].point, 3) + ("" if row[0].on_shape else " (beside it)")),
    ("image", lambda row: row[1].image),
    ("there", lambda row: _shown(row[1].pixel, 1)),
    ("", _state),
)
