"""Routes that tell what changed: the feed, moments of the past, comparisons and server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from threading import Event
from typing import Annotated

import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from daemon.api.errors import declared
from daemon.api.params import MAX_ID, After, Id, LibraryDep, Limit
from daemon.compare import Comparison
from daemon.compare import compare as compare_versions
from index.library import Library
from index.summaries import ChangeSummary, Page, ShapeSummary

router = APIRouter(prefix="/v1")
_POLL_S = 0.5
_BEAT_S = 15.0
_MOST_STREAMS = 32
_BATCH = 200
Since = Annotated[int | None, Query(ge=0, le=MAX_ID, description="Only changes after the one with this id.")]
Images = Annotated[int | None, Query(ge=0, le=MAX_ID, description="After so many committed images.")]
Time = Annotated[float | None, Query(ge=0, le=1e12, description="At this Unix time; of no account beside `images`.")]
LastEventId = Annotated[str | None, Header(max_length=30, description="What browsers send on connecting again.")]


@router.get("/changes", responses=declared(400, 422), tags=["changes"])
def changes(
    library: LibraryDep,
    cluster: Annotated[int | None, Query(ge=0, le=MAX_ID, description="Only changes it took part in.")] = None,
    since: Since = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[ChangeSummary]:
    """Everything that changed, oldest first: images, clusters, versions and what people did."""
    return library.changes(cluster, since=since, after=after, limit=limit)


@router.get("/moment", responses=declared(404, 422), tags=["changes"])
def moment(library: LibraryDep, images: Images = None, time: Time = None) -> ChangeSummary:
    """What the library held after so many images, or at a time; now, if neither is given."""
    return library.moment(images=images, time=time)


@router.get("/moment/shapes", responses=declared(400, 404, 422), tags=["changes"])
def shapes_at(
    library: LibraryDep, images: Images = None, time: Time = None, after: After = None, limit: Limit = 50
) -> Page[ShapeSummary]:
    """The shapes of that moment, each in its version of then, by id."""
    at = library.moment(images=images, time=time).at if images is None else images
    return library.shapes_at(at, after=after, limit=limit)


@router.get("/shapes/{id}/compare", responses=declared(404, 422), tags=["shapes"])
def compare(
    library: LibraryDep,
    id: Id,
    version: Annotated[int, Query(ge=1, le=MAX_ID, description="A version.")],
    other: Annotated[int, Query(ge=1, le=MAX_ID, description="Another.")],
) -> Comparison:
    """Two versions of a shape side by side."""
    return compare_versions(library, id, version, other)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        **declared(422),
        200: {"description": "Server-sent events, one a change.", "content": {"text/event-stream": {}}},
    },
    tags=["changes"],
)
async def events(
    request: Request, library: LibraryDep, since: Since = None, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Changes as they happen: `id` is the change's, `event` its kind, `data` the change as in the feed."""
    streams: set[object] = request.app.state.streams
    if len(streams) >= _MOST_STREAMS:
        raise HTTPException(503, f"{_MOST_STREAMS} readers are listening already")
    if last_event_id is not None and last_event_id.isdecimal():
        since = min(int(last_event_id), MAX_ID)
    if since is None:
        since = await run_sync(_latest, library)
    stream = _stream(library, since, request.app.state.closing, streams)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(library: Library, since: int, closing: Event, streams: set[object]) -> AsyncIterator[str]:
    me = object()
    streams.add(me)
    quiet = 0.0
    try:
        yield ": listening\n\n"
        while not closing.is_set():
            page = await run_sync(lambda last=since: library.changes(since=last, limit=_BATCH))  # type: ignore[misc]
            for change in page.items:
                since = change.id
                yield f"id: {change.id}\nevent: {change.kind}\ndata: {msgspec.json.encode(change).decode()}\n\n"
            quiet = 0.0 if page.items else quiet + _POLL_S
            if quiet >= _BEAT_S:  # or one who has left would not be noticed
                quiet = 0.0
                yield ": still here\n\n"
            if page.next is None:
                await asyncio.sleep(_POLL_S)
    finally:
        streams.discard(me)


def _latest(library: Library) -> int:
    return library.last_change()
