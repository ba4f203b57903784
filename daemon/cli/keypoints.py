"""`shapelode keypoints`: the sparse structure of a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, VersionOption, app
from daemon.cli.opening import opened

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.keypoints import Keypoints

    Row = tuple[Keypoints, int]


@app.command()
def keypoints(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    original: Annotated[bool, typer.Option("--original", help="Pixels of the original images, not the crops.")] = False,
    version: VersionOption = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show the keypoints of a shape: where they are, what they are joined to, which images show them.

    Examples:

      shapelode keypoints 3

      shapelode keypoints 3 --json | jq '.images[0].pixels'
    """
    from daemon.cli.output import print_json, print_page
    from daemon.keypoints import read_keypoints
    from index.summaries import Page

    with opened(state) as library:
        found = read_keypoints(library, shape, version, original)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"shape {shape} version {found.version}: {len(found.points)} keypoints in {len(found.images)} images, "
        f"off by {found.residual:.3f} half crop sides, {found.residual_left:.3f} with {len(found.bases)} deformations"
    )
    print_page(Page([(found, row) for row in range(len(found.points))], None), _COLUMNS, as_json=False, empty="")


def _joined(row: Row) -> str:
    found, number = row
    return " ".join(str(a + b - number) for a, b in found.edges if number in (a, b))


def _bends(row: Row) -> float:
    found, number = row
    return float(sum(value**2 for basis in found.bases for value in basis[number]) ** 0.5)


_COLUMNS: tuple[Column[Row], ...] = (
    ("keypoint", lambda row: row[1]),
    ("at", lambda row: ", ".join(f"{value:.3f}" for value in row[0].points[row[1]])),
    ("joined to", _joined),
    ("images that show it", lambda row: sum(image.visible[row[1]] for image in row[0].images)),
    ("moves", _bends),
)
