"""Commands that list what is in the library: clusters, shapes, rejects, lineage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from daemon.cli.app import DEFAULT_STATE, AfterOption, JsonOption, LimitOption, StateOption, app
from daemon.cli.opening import opened

if TYPE_CHECKING:
    from daemon.cli.output import Column
    from index.summaries import (
        ClusterSummary,
        ImageSummary,
        LineageSummary,
        Page,
        RejectSummary,
        ShapeSummary,
        ShardSummary,
    )

T = TypeVar("T")


class Order(StrEnum):
    """Orders of a list."""

    size = "size"
    id = "id"
    quality = "quality"
    growth = "growth"
    age = "age"
    recent = "recent"


class Hidden(StrEnum):
    """Whether to show what people hid."""

    no = "no"
    only = "only"
    any = "any"


CandidatesOption = Annotated[
    bool, typer.Option("--candidates", help="Also versions that were not published; of one shape, only these.")
]
OrderOption = Annotated[Order, typer.Option(help="Largest, least id, best, most grown, oldest or latest first.")]
ReverseOption = Annotated[bool, typer.Option("--reverse", help="From the last to the first.")]
MinSizeOption = Annotated[int | None, typer.Option(min=0, help="Least images.")]
MaxSizeOption = Annotated[int | None, typer.Option(min=0, help="Most images.")]
MaxLossOption = Annotated[float | None, typer.Option(min=0, max=1, help="Greatest held-out loss of the shape.")]
MinGrowthOption = Annotated[int | None, typer.Option(min=0, help="Least images since the last reconstruction.")]
BornAfterOption = Annotated[int | None, typer.Option(min=0, help="Appeared after so many images.")]
BornBeforeOption = Annotated[int | None, typer.Option(min=0, help="Appeared before so many images.")]
SourceOption = Annotated[str | None, typer.Option(help="Holds an image of this shard; `shapelode shards` lists them.")]
TagOption = Annotated[str | None, typer.Option(help="Has this tag.")]
PinnedOption = Annotated[bool | None, typer.Option("--pinned/--not-pinned", help="Only those that are, or are not.")]
HiddenOption = Annotated[Hidden, typer.Option(help="Whether to show what people hid.")]
QuarantinedOption = Annotated[
    bool | None, typer.Option("--quarantined/--not-quarantined", help="Only those that are, or are not.")
]


def full_page(fetch: Callable[[str | None, int], Page[T]], after: str | None, limit: int) -> Page[T]:
    """A page of as many items as asked for, where the library gives out shorter ones.

    Args:
        fetch: gets a page by cursor and limit.
        after: cursor of the page before.
        limit: items wanted.
    """
    page = fetch(after, limit)
    while page.next is not None and len(page.items) < limit:
        further = fetch(page.next, limit - len(page.items))
        page = replace(further, items=[*page.items, *further.items])
    return page


@app.command()
def clusters(
    cluster: Annotated[int | None, typer.Argument(min=0, help="List the images of this cluster.")] = None,
    state: StateOption = DEFAULT_STATE,
    order: OrderOption = Order.size,
    reverse: ReverseOption = False,
    min_size: MinSizeOption = None,
    max_size: MaxSizeOption = None,
    max_loss: MaxLossOption = None,
    min_growth: MinGrowthOption = None,
    born_after: BornAfterOption = None,
    born_before: BornBeforeOption = None,
    source: SourceOption = None,
    tag: TagOption = None,
    pinned: PinnedOption = None,
    hidden: HiddenOption = Hidden.no,
    quarantined: QuarantinedOption = None,
    retired: Annotated[bool, typer.Option("--retired", help="Those that were merged, dissolved or deleted.")] = False,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List clusters of images that look alike, or the images of one.

    Examples:

      shapelode clusters --min-size 16

      shapelode clusters --quarantined

      shapelode clusters --order growth --not-quarantined --limit 10

      shapelode clusters 3 --json
    """
    from daemon.cli.output import print_page
    from index.browse import Filter

    with opened(state) as library:
        if cluster is not None:
            images = library.members(cluster, after=after, limit=limit)
            print_page(images, _IMAGE_COLUMNS, as_json=as_json, empty="no images")
            return
        chosen = Filter(
            min_size, max_size, max_loss, min_growth, born_after, born_before, source, tag, pinned, _SHOWN[hidden],
            quarantined,
        )  # fmt: skip
        page = full_page(
            lambda cursor, count: library.clusters(
                order=order.value, chosen=chosen, retired=retired, reverse=reverse, after=cursor, limit=count
            ),
            after,
            limit,
        )
    print_page(page, _CLUSTER_COLUMNS, as_json=as_json, empty="no clusters")


@app.command()
def shapes(
    shape: Annotated[int | None, typer.Argument(min=0, help="List all versions of this shape.")] = None,
    state: StateOption = DEFAULT_STATE,
    candidates: CandidatesOption = False,
    order: OrderOption = Order.size,
    reverse: ReverseOption = False,
    min_size: MinSizeOption = None,
    max_size: MaxSizeOption = None,
    max_loss: MaxLossOption = None,
    min_growth: MinGrowthOption = None,
    born_after: BornAfterOption = None,
    born_before: BornBeforeOption = None,
    source: SourceOption = None,
    tag: TagOption = None,
    pinned: PinnedOption = None,
    hidden: HiddenOption = Hidden.no,
    quarantined: QuarantinedOption = None,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the shapes found so far, or the versions of one.

    Examples:

      shapelode shapes

      shapelode shapes --order quality --max-loss 0.3 --tag chair

      shapelode shapes --order recent --limit 10

      shapelode shapes --candidates

      shapelode shapes 3 --json
    """
    from daemon.cli.output import print_page
    from daemon.listing import page_of
    from index.browse import Filter

    with opened(state) as library:
        if shape is not None:
            versions = page_of(library.versions(shape, "candidate" if candidates else None), after, limit)
            print_page(versions, _SHAPE_COLUMNS, as_json=as_json, empty="no versions yet")
            return
        chosen = Filter(
            min_size, max_size, max_loss, min_growth, born_after, born_before, source, tag, pinned, _SHOWN[hidden],
            quarantined,
        )  # fmt: skip
        page = full_page(
            lambda cursor, count: library.shapes(
                order=order.value, chosen=chosen, candidates=candidates, reverse=reverse, after=cursor, limit=count
            ),
            after,
            limit,
        )
    print_page(page, _SHAPE_COLUMNS, as_json=as_json, empty="no shapes")


@app.command()
def shards(
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the shards that were opened, and how far each is committed.

    Examples:

      shapelode shards --state library
    """
    from daemon.cli.output import print_page

    with opened(state) as library:
        page = library.shards(after=after, limit=limit)
    print_page(page, _SHARD_COLUMNS, as_json=as_json, empty="no shards yet")


@app.command()
def rejects(
    reason: Annotated[str | None, typer.Option(help="Only this reason, such as broken_image.")] = None,
    of: Annotated[int | None, typer.Option(min=0, help="Only copies of this image.")] = None,
    state: StateOption = DEFAULT_STATE,
    after: AfterOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List samples, tar members and shards that were refused, and why.

    Examples:

      shapelode rejects --reason broken_image

      shapelode rejects --of 12

      shapelode rejects --json --limit 1000
    """
    from daemon.cli.output import print_page

    with opened(state) as library:
        page = library.rejects(reason=reason, of=of, after=after, limit=limit)
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

    with opened(state) as library:
        page = library.lineage(cluster, after=after, limit=limit)
    print_page(page, _LINEAGE_COLUMNS, as_json=as_json, empty="nothing has happened yet")


def called(name: str, tags: Sequence[str], *, pinned: bool) -> str:
    """What people say of a cluster, in a cell of a table."""
    return " ".join([*(["*"] if pinned else []), *([name] if name else []), *(f"#{tag}" for tag in tags)])


def shard_state(shard: ShardSummary) -> str:
    """How far a shard is, in a word or two."""
    if shard.blocked:
        return "deleted"
    return ("done" if shard.done else "open") + (", in quarantine" if shard.quarantined else "")


_SHOWN = {Hidden.no: False, Hidden.only: True, Hidden.any: None}


def _ago(at: float) -> str:
    from daemon.cli.output import age

    return age(at)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


_CLUSTER_COLUMNS: tuple[Column[ClusterSummary], ...] = (
    ("cluster", lambda c: c.id),
    ("name", lambda c: called(c.name, c.tags, pinned=c.pinned)),
    ("images", lambda c: c.size),
    ("state", lambda c: "quarantined" if c.quarantined else c.state),
    ("shape", lambda c: f"v{c.version}" if c.version else "-"),
    ("tries", lambda c: c.attempts),
    ("verdict", lambda c: c.verdict or "-"),
    ("why", lambda c: c.reason or ""),
)
_SHAPE_COLUMNS: tuple[Column[ShapeSummary], ...] = (
    ("shape", lambda s: s.id),
    ("name", lambda s: called(s.name, s.tags, pinned=s.pinned)),
    ("version", lambda s: f"v{s.version}"),
    ("outcome", lambda s: s.outcome.replace("_", " ")),
    ("images", lambda s: s.images),
    ("loss", lambda s: float(s.loss)),
    ("IoU", lambda s: float(s.silhouette_iou)),
    ("sure", lambda s: "-" if s.certainty is None else f"{s.certainty:.0%}"),
    ("faces", lambda s: s.faces),
    ("took", lambda s: f"{s.seconds:.0f} s {'warm' if s.warm else 'cold'}"),
    ("when", lambda s: _ago(s.time)),
)
_SHARD_COLUMNS: tuple[Column[ShardSummary], ...] = (
    ("shard", lambda s: s.url),
    ("samples", lambda s: s.cursor),
    ("images", lambda s: s.stored),
    ("rejected", lambda s: s.rejected),
    ("deleted", lambda s: s.deleted),
    ("state", lambda s: shard_state(s)),
)
_IMAGE_COLUMNS: tuple[Column[ImageSummary], ...] = (
    ("image", lambda i: i.id),
    ("key", lambda i: i.key),
    ("shard", lambda i: _name(i.shard)),
    ("pixels", lambda i: f"{i.width} x {i.height}"),
    ("strength", lambda i: float(i.strength)),
    ("copies", lambda i: i.copies),
    ("object", lambda i: i.object),
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
