"""Commands about the past: changes, at, compare, history."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, AfterOption, JsonOption, LimitOption, StateOption, app
from daemon.cli.library import full_page
from daemon.cli.opening import opened
from ops.errors import ConfigError

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from index.summaries import ChangeSummary, ShapeSummary


@app.command()
def changes(
    cluster: Annotated[int | None, typer.Argument(min=0, help="Only what happened to this cluster or shape.")] = None,
    since: Annotated[int | None, typer.Option(min=0, help="Only changes after the one with this id.")] = None,
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List what changed, oldest first: images, clusters, versions of shapes, and what people did.

    Examples:

      shapelode changes --since 4711

      shapelode changes 3
    """
    from daemon.cli.output import print_page

    with opened(state) as library:
        page = library.changes(cluster, since=since, after=after, limit=limit)
    print_page(page, _CHANGE_COLUMNS, as_json=as_json, empty="nothing has changed")


@app.command()
def at(
    moment: Annotated[str, typer.Argument(help="A number of committed images, or a time such as 2026-11-21T14:00.")],
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what the library looked like after so many images, or at a time: each shape in its version of then.

    Examples:

      shapelode at 10000

      shapelode at 2026-11-21T14:00 --json
    """
    from daemon.cli.output import age, print_page

    images, time = _moment(moment)
    with opened(state) as library:
        found = library.moment(images=images, time=time)
        edge = found.at if images is None else images
        page = full_page(lambda cursor, count: library.shapes_at(edge, after=cursor, limit=count), after, limit)
    if not as_json:
        typer.echo(
            f"after {found.at:,} images, {age(found.time)}: {found.images:,} images, {found.clusters:,} clusters, "
            f"{found.shapes:,} shapes"
        )
    print_page(page, _PAST_COLUMNS, as_json=as_json, empty="there were no shapes yet")


@app.command()
def compare(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    version: Annotated[int, typer.Argument(min=1, help="A version.")],
    other: Annotated[int, typer.Argument(min=1, help="Another.")],
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Compare two versions of a shape: figures, images and cameras.

    Examples:

      shapelode compare 3 1 2
    """
    from daemon.cli.output import print_facts, print_json
    from daemon.compare import compare as compare_versions

    with opened(state) as library:
        found = compare_versions(library, shape, version, other)
    if as_json:
        print_json(found)
        return
    turned = "-" if found.turn is None else f"{found.turn:.1f} degrees, cameras {found.camera_change:.1f} beside that"
    facts = [
        ("loss", f"{found.version.loss:.3f} to {found.other.loss:.3f} ({found.loss_change:+.3f})"),
        ("IoU", f"{found.version.silhouette_iou:.3f} to {found.other.silhouette_iou:.3f} ({found.iou_change:+.3f})"),
        ("faces", f"{found.version.faces:,} to {found.other.faces:,}"),
        ("images", f"{found.images_kept} in both, {len(found.images_gained)} new, {len(found.images_lost)} gone"),
        ("turned", turned),
    ]
    print_facts(f"shape {shape}, version {version} and version {other}", facts)


@app.command()
def history(
    shape: Annotated[int, typer.Argument(min=0, help="The shape's id.")],
    strip: Annotated[Path | None, typer.Option(help="Also draw its versions side by side into this PNG.")] = None,
    candidates: Annotated[bool, typer.Option("--candidates", help="Also versions that were not published.")] = False,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Show how a shape came to be what it is: its versions, what judged each, and which images changed it.

    Examples:

      shapelode history 3

      shapelode history 3 --candidates --strip chair.png
    """
    from daemon.cli.output import print_page
    from daemon.export import write_atomic
    from daemon.strip import draw_strip, facts, frames
    from index.summaries import Page

    with opened(state) as library:
        shown = frames(library, shape, candidates=candidates)
    if strip is not None:
        buffer = BytesIO()
        draw_strip(shown).save(buffer, "PNG", optimize=True)
        write_atomic(strip, buffer.getvalue())
    told = {frame.version.version: facts(frame.version, frame.gained) for frame in shown}
    columns: tuple[Column[ShapeSummary], ...] = (
        ("version", lambda s: f"v{s.version}"),
        ("outcome", lambda s: s.outcome),
        ("what happened", lambda s: "; ".join(told[s.version])),
        ("when", lambda s: _ago(s.time)),
    )
    print_page(Page([frame.version for frame in shown], None), columns, as_json=as_json, empty="")
    if strip is not None and not as_json:
        typer.echo(f"{strip}: {len(shown)} versions")


def _moment(text: str) -> tuple[int | None, float | None]:
    return (int(text), None) if text.isdecimal() else (None, parse_time(text, "neither a number of images nor"))


def parse_time(text: str, what: str = "not") -> float:
    """A Unix time, from how people write it.

    Raises:
        ConfigError: that is no time, for which it says `what` it is.
    """
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(f"{text!r} is {what} a time such as 2026-11-21T14:00") from error


def _ago(time: float) -> str:
    from daemon.cli.output import age

    return age(time)


def _what(change: ChangeSummary) -> str:
    parts = [f"{change.count:,} images"] if change.count else []
    parts += [" ".join(map(str, change.others))] if change.others else []
    return ", ".join([*parts, *([change.detail] if change.detail else [])])


_CHANGE_COLUMNS: tuple[Column[ChangeSummary], ...] = (
    ("change", lambda c: c.id),
    ("after images", lambda c: c.at),
    ("what", lambda c: c.kind.replace("_", " ")),
    ("cluster", lambda c: "-" if c.cluster is None else str(c.cluster)),
    ("version", lambda c: f"v{c.version}" if c.version else "-"),
    ("detail", _what),
    ("when", lambda c: _ago(c.time)),
)
_PAST_COLUMNS: tuple[Column[ShapeSummary], ...] = (
    ("shape", lambda s: s.id),
    ("name", lambda s: s.name),
    ("version", lambda s: f"v{s.version}"),
    ("images", lambda s: s.images),
    ("loss", lambda s: float(s.loss)),
    ("after images", lambda s: s.at),
    ("when", lambda s: _ago(s.time)),
)
