"""Parameters that several routes take, and what they reach."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from daemon.query import ImageQuery
from index.library import Library
from index.paging import MAX_LIMIT

_MAX_ID = 2**63 - 1  # JSON integers beyond it are not safe in most clients, and LMDB keys end at 2**64


def _library(request: Request) -> Library:
    found: Library = request.app.state.library
    return found


def _image_query(request: Request) -> ImageQuery:
    found: ImageQuery = request.app.state.image_query
    return found


LibraryDep = Annotated[Library, Depends(_library)]
ImageQueryDep = Annotated[ImageQuery, Depends(_image_query)]
Id = Annotated[int, Path(ge=0, le=_MAX_ID)]
Version = Annotated[
    int | None, Query(ge=1, le=_MAX_ID, description="A version of the shape; by default the published one.")
]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items a page.")]
