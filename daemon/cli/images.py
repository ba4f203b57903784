"""`shapelode images`: the images that show a shape best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, AfterOption, JsonOption, LimitOption, StateOption, VersionOption, app
from daemon.cli.changes import parse_time
from daemon.cli.opening import opened

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from daemon.sights import Sight


@app.command()
def images(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    azimuth: Annotated[
        float | None, typer.Option(min=-360, max=360, help="Taken from so far around, 0 is the front.")
    ] = None,
    elevation: Annotated[float | None, typer.Option(min=-90, max=90, help="Degrees above its horizon.")] = None,
    within: Annotated[float, typer.Option(min=0, max=180, help="Degrees that the direction may be off.")] = 30.0,
    since: Annotated[str | None, typer.Option(help="Stored then or later, such as 2026-11-21T14:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Stored before.")] = None,
    version: VersionOption = None,
    after: AfterOption = None,
    limit: LimitOption = 50,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """List the images that show a shape best, from a direction or of a time if asked.

    Examples:

      shapelode images 12

      shapelode images 12 --azimuth 90 --elevation 20 --within 45

      shapelode images 12 --since 2026-11-01 --until 2026-11-08
    """
    from daemon.cli.output import print_page
    from daemon.listing import page_of
    from daemon.sights import Wanted, sights

    moments = [None if text is None else parse_time(text) for text in (since, until)]
    wanted = Wanted(azimuth, elevation, within, *moments)
    with opened(state) as library:
        page = page_of(sights(library, shape, version, wanted), after, limit)
    print_page(page, _COLUMNS, as_json=as_json, empty="no image shows it so")


def _ago(time: float) -> str:
    from daemon.cli.output import age

    return age(time)


_COLUMNS: tuple[Column[Sight], ...] = (
    ("image", lambda s: s.image.id),
    ("key", lambda s: s.image.key),
    ("loss", lambda s: s.loss),
    ("azimuth", lambda s: f"{s.azimuth:.0f}"),
    ("elevation", lambda s: f"{s.elevation:.0f}"),
    ("off by", lambda s: f"{s.away:.0f}"),
    ("when", lambda s: _ago(s.image.time)),
)
