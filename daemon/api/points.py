"""The route that follows points between the images of a shape."""

from __future__ import annotations

from fastapi import APIRouter

from daemon.api.errors import declared
from daemon.api.params import Id, PointFinderDep, Version
from daemon.correspond import Correspondences, PointQuery

router = APIRouter(prefix="/v1")


@router.post("/shapes/{id}/correspond", responses=declared(400, 404, 422), tags=["shapes"])
def correspond(finder: PointFinderDep, id: Id, asked: PointQuery, version: Version = None) -> Correspondences:
    """The points of a shape behind pixels of one of its images, and where they are in the others."""
    return finder(id, asked, version)
