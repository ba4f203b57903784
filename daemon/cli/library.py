"""Commands that read the library: status, clusters, shapes, rejects, lineage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import DEFAULT_STATE, AfterOption, JsonOption, LimitOption, StateOption, app

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from index.library import Library
    from index.summaries import ClusterSummary, ImageSummary, LibraryStatus, LineageSummary, RejectSummary, ShapeSummary


class Order(StrEnum):
    """Orders of a list."""

    size = "size"
    id = "id"


OrderOption = Annotated[Order, typer.Option(help="Largest first, or by id.")]


@contextmanager
def opened(state: Path) -> Iterator[Library]:
    """The library of a state directory, closed afterwards.

    Raises:
        StateError: it is no state directory.
    """
    from index.library import open_library

    library = open_library(state)
    try:
        yield library
    finally:
        library.close()


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show what the library holds and how far the stream is.

    Examples:

      shapelode status --state library

      shapelode status --json | jq .shapes
    """
    from daemon.cli.output import print_facts, print_json

    with opened(state) as library:
        found = library.status()
    if as_json:
        print_json(found)
    else:
        print_facts(str(state), _status_facts(found))


@app.command()
def clusters(
    cluster: Annotated[int | None, typer.Argument(min=0, help="List the images of this cluster.")] = None,
    state: StateOption = DEFAULT_STATE,
    order: OrderOption = Order.size,
    min_size: Annotated[int, typer.Option(min=0, help="Least images.")] = 1,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="Only those that keep failing.")] = False,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List clusters of images that look alike, or the images of one.

    Examples:

      shapelode clusters --min-size 16

      shapelode clusters --quarantined

      shapelode clusters 3 --json
    """
    from daemon.cli.output import print_page

    with opened(state) as library:
        if cluster is not None:
            images = library.members(cluster, after=after, limit=limit)
            print_page(images, _IMAGE_COLUMNS, as_json=as_json, empty="no images")
            return
        page = library.clusters(order=order.value, after=after, limit=limit, min_size=min_size, quarantined=quarantined)
    print_page(page, _CLUSTER_COLUMNS, as_json=as_json, empty="no clusters yet")


@app.command()
def shapes(
    shape: Annotated[int | None, typer.Argument(min=0, help="List all versions of this shape.")] = None,
    state: StateOption = DEFAULT_STATE,
    order: OrderOption = Order.size,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the shapes found so far, or the versions of one.

    Examples:

      shapelode shapes

      shapelode shapes 3 --json
    """
    from daemon.cli.output import print_page
    from daemon.listing import page_of

    with opened(state) as library:
        if shape is not None:
            versions = page_of(library.versions(shape), after, limit)
            print_page(versions, _SHAPE_COLUMNS, as_json=as_json, empty="no versions yet")
            return
        page = library.shapes(order=order.value, after=after, limit=limit)
    print_page(page, _SHAPE_COLUMNS, as_json=as_json, empty="no shapes yet")


@app.command()
def rejects(
    reason: Annotated[str | None, typer.Option(help="Only this reason, such as broken_image.")] = None,
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List samples, tar members and shards that were refused, and why.

    Examples:

      shapelode rejects --reason broken_image

      shapelode rejects --json --limit 1000
    """
    from daemon.cli.output import print_page

    with opened(state) as library:
        page = library.rejects(reason=reason, after=after, limit=limit)
    print_page(page, _REJECT_COLUMNS, as_json=as_json, empty="nothing was refused")


@app.command()
def lineage(
    cluster: Annotated[int | None, typer.Argument(min=0, help="Only what happened to this cluster.")] = None,
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List how clusters appeared, merged and split.

    Examples:

      shapelode lineage

      shapelode lineage 3 --json
    """
    from daemon.cli.output import print_page
    from daemon.listing import page_of

    with opened(state) as library:
        page = page_of(library.lineage(cluster), after, limit)
    print_page(page, _LINEAGE_COLUMNS, as_json=as_json, empty="nothing has happened yet")


def _status_facts(s: LibraryStatus) -> list[tuple[str, object]]:
    from daemon.cli.output import data_size

    reasons = ", ".join(f"{count} {reason}" for reason, count in s.rejects_by_reason.items())
    return [
        ("images", f"{s.images:,}"),
        ("rejected", f"{s.rejected:,}" + (f" ({reasons})" if reasons else "")),
        ("shards", f"{s.shards_done:,} of {s.shards:,} done"),
        ("clusters", f"{s.clusters:,}, and {s.outliers:,} images in none"),
        ("shapes", f"{s.shapes:,} after {s.reconstructions:,} reconstructions"),
        ("quarantined", f"{s.quarantined:,}" + (" (`shapelode clusters --quarantined`)" if s.quarantined else "")),
        ("backbone", f"{s.backbone} ({s.fingerprint})"),
        ("clusterer", s.clusterer),
        ("store", data_size(s.store_bytes)),
    ]


def _ago(at: float) -> str:
    from daemon.cli.output import age

    return age(at)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


_CLUSTER_COLUMNS: tuple[Column[ClusterSummary], ...] = (
    ("cluster", lambda c: c.id),
    ("images", lambda c: c.size),
    ("state", lambda c: "quarantined" if c.quarantined else c.state),
    ("shape", lambda c: f"v{c.version}" if c.version else "-"),
    ("tries", lambda c: c.attempts),
    ("verdict", lambda c: c.verdict or "-"),
    ("why", lambda c: c.reason or ""),
)
_SHAPE_COLUMNS: tuple[Column[ShapeSummary], ...] = (
    ("shape", lambda s: s.id),
    ("version", lambda s: f"v{s.version}"),
    ("outcome", lambda s: s.outcome.replace("_", " ")),
    ("images", lambda s: s.images),
    ("loss", lambda s: float(s.loss)),
    ("IoU", lambda s: float(s.silhouette_iou)),
    ("faces", lambda s: s.faces),
    ("took", lambda s: f"{s.seconds:.0f} s {'warm' if s.warm else 'cold'}"),
    ("when", lambda s: _ago(s.time)),
)
_IMAGE_COLUMNS: tuple[Column[ImageSummary], ...] = (
    ("image", lambda i: i.id),
    ("key", lambda i: i.key),
    ("shard", lambda i: _name(i.shard)),
    ("pixels", lambda i: f"{i.width} x {i.height}"),
    ("strength", lambda i: float(i.strength)),
    ("from", lambda i: i.url or "-"),
)
_REJECT_COLUMNS: tuple[Column[RejectSummary], ...] = (
    ("reject", lambda r: r.id),
    ("reason", lambda r: r.reason),
    ("shard", lambda r: _name(r.shard)),
    ("key", lambda r: r.key),
    ("detail", lambda r: r.detail),
    ("when", lambda r: _ago(r.time)),
)
_LINEAGE_COLUMNS: tuple[Column[LineageSummary], ...] = (
    ("after images", lambda e: e.at),
    ("event", lambda e: e.kind),
    ("cluster", lambda e: e.cluster),
    ("others", lambda e: " ".join(map(str, e.others)) or "-"),
    ("when", lambda e: _ago(e.time)),
)
