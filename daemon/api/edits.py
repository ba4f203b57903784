"""The route by which people change the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request
from starlette.exceptions import HTTPException

from daemon.api.errors import declared
from index.curation import ClusterDeletion, ClusterEdit, EditReport, ImageEdit, SourceEdit
from index.curation import Edit as AnyEdit
from index.rollback import Rollback

router = APIRouter(prefix="/v1", tags=["edits"])
Editor = Callable[[AnyEdit], EditReport]
Given = Annotated[
    ClusterEdit | ClusterDeletion | ImageEdit | SourceEdit | Rollback,
    Body(
        discriminator="type",
        description="`cluster`: name, tags, pinned, hidden, quarantined; `cluster_deletion`: a cluster with its images "
        "and versions; `images` and `source`: delete, quarantine or release; `rollback`: an earlier version of a shape "
        "becomes the current one, as a new version.",
    ),
]


def _editor(request: Request) -> Editor:
    # A page of elsewhere may have a browser send this; browsers say so.
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "pages of other sites may not change the library")
    found: Editor = request.app.state.edit
    return found


@router.post("/edits", responses=declared(400, 403, 404, 409, 422))
def edit(given: Given, editor: Annotated[Editor, Depends(_editor)]) -> EditReport:
    """Names, tags, pins, hides, quarantines, deletes or rolls back; done twice it is done once."""
    return editor(given)
