"""Parameters that several routes take, and what they reach."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request

from daemon.correspond import PointFinder
from daemon.query import ImageQuery
from daemon.similar import SimilarShapes
from index.browse import Filter
from index.library import Library
from index.paging import MAX_LIMIT

MAX_ID = 2**63 - 1  # JSON integers beyond it are not safe in most clients, and LMDB keys end at 2**64


def _library(request: Request) -> Library:
    found: Library = request.app.state.library
    return found


def _image_query(request: Request) -> ImageQuery:
    found: ImageQuery = request.app.state.image_query
    return found


def _point_finder(request: Request) -> PointFinder:
    found: PointFinder = request.app.state.point_finder
    return found


def _similar(request: Request) -> SimilarShapes:
    found: SimilarShapes = request.app.state.similar
    return found


LibraryDep = Annotated[Library, Depends(_library)]
ImageQueryDep = Annotated[ImageQuery, Depends(_image_query)]
PointFinderDep = Annotated[PointFinder, Depends(_point_finder)]
SimilarDep = Annotated[SimilarShapes, Depends(_similar)]
Id = Annotated[int, Path(ge=0, le=MAX_ID, description="Its id; a shape has that of its cluster.")]
Version = Annotated[
    int | None, Query(ge=1, le=MAX_ID, description="A version of the shape; by default the published one.")
]
After = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page.")]

Count = Annotated[int | None, Query(ge=0, le=MAX_ID)]
Hidden = Annotated[Literal["no", "only", "any"], Query(description="Whether to show what people hid.")]
Flag = Annotated[bool | None, Query(description="Only those that are, or that are not; both if left out.")]


def _filter(
    min_size: Annotated[Count, Query(description="Least images.")] = None,
    max_size: Annotated[Count, Query(description="Most images.")] = None,
    max_loss: Annotated[float | None, Query(ge=0, le=1, description="Greatest held-out loss of the shape.")] = None,
    min_growth: Annotated[Count, Query(description="Least images since the last reconstruction.")] = None,
    born_after: Annotated[Count, Query(description="Appeared after so many images.")] = None,
    born_before: Annotated[Count, Query(description="Appeared before so many images.")] = None,
    source: Annotated[str | None, Query(max_length=4096, description="Holds an image of this shard.")] = None,
    tag: Annotated[str | None, Query(max_length=100, description="Has this tag.")] = None,
    pinned: Flag = None,
    hidden: Hidden = "no",
    quarantined: Flag = None,
) -> Filter:
    shown = {"no": False, "only": True, "any": None}[hidden]
    return Filter(
        min_size, max_size, max_loss, min_growth, born_after, born_before, source, tag, pinned, shown, quarantined
    )


FilterDep = Annotated[Filter, Depends(_filter)]
Reverse = Annotated[bool, Query(description="From the last to the first.")]
