"""Putting the API and the page together."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from fastapi import FastAPI
from fastapi.responses import FileResponse

import daemon
from daemon.access import Access
from daemon.api import changes, edits, errors, gate, health, library, media, overview, points, similar
from daemon.api.files import PageFiles
from daemon.api.security import BodyLimit, SecurityHeaders
from daemon.api.timing import Timing
from daemon.atlas import Atlas
from daemon.correspond import PointFinder
from daemon.health import Health
from daemon.query import ImageQuery
from daemon.similar import SimilarShapes
from index.curation import Edit, EditReport
from index.library import Library
from ops.errors import StateBusyError

PAGE = Path(daemon.__file__).parent / "page"
_ABOUT = """
The shape library: 3D shapes mined from a stream of images.

Lists come in pages of `items`; hand the opaque `next` of one back as `after` to get the following one.
Every error has the same shape: `{"error": {"code", "message", "detail"}}`.
"""


def create_app(
    opened: Library,
    image_query: ImageQuery,
    access: Access | None = None,
    daemon_health: Health | None = None,
    edit: edits.Editor | None = None,
    closing: Event | None = None,
) -> FastAPI:
    """The API and the page over a library.

    Args:
        opened: the library; the caller closes it.
        image_query: what answers queries by image.
        access: who may ask, by default anybody by any name.
        daemon_health: of the daemon that keeps the library, None if there is none in this process.
        edit: does what people ask for, by default refuses.
        closing: set when streams have to end.
    """
    # FastAPI's own documentation pages load scripts from elsewhere; /openapi.json is what tools need.
    app = FastAPI(title="Shapelode", version="1", description=_ABOUT, docs_url=None, redoc_url=None)
    app.state.library = opened
    app.state.image_query = image_query
    app.state.point_finder = PointFinder(opened, image_query.backbone)
    app.state.access = access or Access()
    app.state.atlas = Atlas(opened)
    app.state.similar = SimilarShapes(opened)
    app.state.health = daemon_health
    app.state.edit = edit or _refuse
    app.state.closing = closing or Event()
    app.state.streams = set()
    errors.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(gate.Gate, access=app.state.access)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Timing)
    for routes in (
        library.router, overview.router, changes.router, edits.router, media.router, points.router,
        similar.router, health.router, gate.router,
    ):  # fmt: skip
        app.include_router(routes)
    app.add_api_route("/", _index, include_in_schema=False)
    app.mount("/page", PageFiles(directory=PAGE), name="page")
    return app


def _refuse(edit: Edit) -> EditReport:
    raise StateBusyError("this server only reads the library")


def _index() -> FileResponse:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})
