"""Responses that are files: typed, named, revalidated by a digest of their content."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import Request, Response
from fastapi.staticfiles import StaticFiles


class PageFiles(StaticFiles):
    """The files of the page, revalidated on each use: another version of them may be served tomorrow."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """A file, or 304 if the client has it already."""
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


def file_response(request: Request, data: bytes, media_type: str, name: str | None = None) -> Response:
    """A file, or 304 if the client has it already.

    Files are revalidated on each use rather than cached for good: another library may be served at the
    same address tomorrow.

    Args:
        request: what asked for it.
        data: the file.
        media_type: its type.
        name: what a browser saves it as; None to show it.
    """
    tag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(data, media_type=media_type, headers=headers)


def file_content(*media_types: str) -> dict[int | str, dict[str, object]]:
    """OpenAPI responses of a route that answers with a file."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {"description": "The file.", "content": {kind: binary for kind in media_types}},
        304: {"description": "The client's copy, named in If-None-Match, is current."},
    }
