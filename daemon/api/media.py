"""Routes that answer with files, and the query by image."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Query, Request, Response, UploadFile

from daemon.api.errors import declared
from daemon.api.files import file_content, file_response
from daemon.api.params import Id, ImageQueryDep, LibraryDep, Version
from daemon.export import MEDIA_TYPES, Format, file_name
from daemon.export import export as export_shape
from daemon.query import QueryMatch
from index.jobs import PREVIEW
from index.summaries import Page

router = APIRouter(prefix="/v1")
FormatParam = Annotated[Format, Query(description="What to write; see docs/library.md.")]
SureParam = Annotated[float, Query(ge=0, le=1, description="Only images whose cameras are as certain.")]


@router.get(
    "/shapes/{id}/export",
    response_class=Response,
    responses={**declared(404, 422), **file_content(*sorted(set(MEDIA_TYPES.values())))},
    tags=["shapes"],
)
def export(
    request: Request,
    library: LibraryDep,
    id: Id,
    format: FormatParam = "glb",
    version: Version = None,
    sure: SureParam = 0.0,
) -> Response:
    """A shape as a file for other programs."""
    found = library.shape(id, version).version
    data = export_shape(library, id, found, format, sure)
    return file_response(request, data, MEDIA_TYPES[format], file_name(id, found, format))


@router.get(
    "/shapes/{id}/preview.png",
    response_class=Response,
    responses={**declared(404, 422), **file_content("image/png")},
    tags=["shapes"],
)
def preview(request: Request, library: LibraryDep, id: Id, version: Version = None) -> Response:
    """A picture of a shape."""
    return file_response(request, library.artifact(id, PREVIEW, version), "image/png")


@router.get(
    "/images/{id}/crop.jpg",
    response_class=Response,
    responses={**declared(404, 422), **file_content("image/jpeg")},
    tags=["images"],
)
def crop(request: Request, library: LibraryDep, id: Id) -> Response:
    """An image, cut square around its object."""
    return file_response(request, library.crop_jpeg(id), "image/jpeg")


@router.post("/query", responses=declared(400, 413, 422), tags=["shapes"])
def query(
    image_query: ImageQueryDep,
    image: Annotated[UploadFile, File(description="An encoded still image, at most 32 MiB.")],
    limit: Annotated[int, Query(ge=1, le=50, description="Clusters at most.")] = 10,
    register: Annotated[
        int, Query(ge=0, le=10, description="To how many of the nearest shapes to register it; takes seconds each.")
    ] = 0,
) -> Page[QueryMatch]:
    """The clusters and shapes nearest to the main object of an image, best first, and from where it was taken."""
    return image_query(image.file.read(), limit, register)
