"""Routes that look for shapes like another, and for the images that show one best."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Query, UploadFile

from daemon.api.errors import declared
from daemon.api.params import After, Id, LibraryDep, Limit, SimilarDep, Version
from daemon.listing import page_of
from daemon.sights import Sight, Wanted, sights
from daemon.similar import By, MeshFormat, SimilarShape, Up
from index.summaries import Page

router = APIRouter(prefix="/v1", tags=["shapes"])
Few = Annotated[int, Query(ge=1, le=50, description="Shapes at most.")]
Degrees = Annotated[float | None, Query(ge=-360, le=360, description="Taken from so far around, 0 is the front.")]
Moment = Annotated[float | None, Query(ge=0, le=1e12)]


@router.get("/shapes/{id}/similar", responses=declared(404, 422))
def similar(
    shapes: SimilarDep,
    id: Id,
    version: Version = None,
    by: Annotated[By, Query(description="Their surfaces, or what their images look like.")] = "form",
    limit: Few = 10,
) -> Page[SimilarShape]:
    """Shapes like this one, best first, each with the turn at which it is most like it."""
    return shapes.to_shape(id, version, by, limit)


@router.post("/similar", responses=declared(400, 413, 422))
def similar_to_mesh(
    shapes: SimilarDep,
    mesh: Annotated[UploadFile, File(description="A mesh, at most 32 MiB.")],
    format: Annotated[MeshFormat, Query(description="The format of the mesh.")] = "glb",
    up: Annotated[Up, Query(description="Its axis that points up.")] = "y",
    limit: Few = 10,
) -> Page[SimilarShape]:
    """Shapes whose form is like that of an uploaded mesh, best first."""
    return shapes.to_mesh(mesh.file.read(), format, up, limit)


@router.get("/shapes/{id}/images", responses=declared(400, 404, 422))
def images(
    library: LibraryDep,
    id: Id,
    version: Version = None,
    azimuth: Degrees = None,
    elevation: Annotated[float | None, Query(ge=-90, le=90, description="Degrees above its horizon.")] = None,
    within: Annotated[float, Query(ge=0, le=180, description="Degrees that the direction may be off.")] = 30.0,
    since: Annotated[Moment, Query(description="Stored at this Unix time or later.")] = None,
    until: Annotated[Moment, Query(description="Stored before this Unix time.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[Sight]:
    """The images that show a shape best, from a direction or of a time if asked."""
    wanted = Wanted(azimuth, elevation, within, since, until)
    return page_of(sights(library, id, version, wanted), after, limit)
