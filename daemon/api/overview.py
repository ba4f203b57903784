"""Routes that show the whole: the map of the library, and what the daemon is at."""

from __future__ import annotations

from fastapi import APIRouter, Request

from daemon.api.errors import declared
from daemon.atlas import Atlas, LibraryMap
from daemon.health import Health, PipelineState

router = APIRouter(prefix="/v1", tags=["library"])


@router.get("/map", responses=declared())
def library_map(request: Request) -> LibraryMap:
    """The largest clusters on the two axes along which they differ most; drawn anew as the library changes."""
    atlas: Atlas = request.app.state.atlas
    return atlas()


@router.get("/pipeline", responses=declared())
def pipeline(request: Request) -> PipelineState:
    """What the stages of the daemon in this process are at."""
    health: Health | None = request.app.state.health
    return health.pipeline() if health else PipelineState()
