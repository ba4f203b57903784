"""Routes about points: between the images of a shape, and its keypoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from daemon.api.errors import declared
from daemon.api.params import Id, LibraryDep, PointFinderDep, Version
from daemon.correspond import Correspondences, PointQuery
from daemon.keypoints import Keypoints, read_keypoints

router = APIRouter(prefix="/v1")


@router.post("/shapes/{id}/correspond", responses=declared(400, 404, 422), tags=["shapes"])
def correspond(finder: PointFinderDep, id: Id, asked: PointQuery, version: Version = None) -> Correspondences:
    """The points of a shape behind pixels of one of its images, and where they are in the others."""
    return finder(id, asked, version)


@router.get("/shapes/{id}/keypoints", responses=declared(404, 422), tags=["shapes"])
def keypoints(
    library: LibraryDep,
    id: Id,
    version: Version = None,
    original: Annotated[bool, Query(description="Pixels of the original images, not of the crops.")] = False,
) -> Keypoints:
    """The keypoints of a shape, how they are joined and move, and where each image shows them."""
    return read_keypoints(library, id, version, original)
