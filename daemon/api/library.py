"""Routes that read the library."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from daemon.api.errors import declared
from daemon.api.params import After, Id, LibraryDep, Limit, Version
from daemon.listing import page_of
from index.library import Order
from index.summaries import (
    CameraSummary,
    ClusterSummary,
    ImageSummary,
    LibraryStatus,
    LineageSummary,
    Page,
    RejectSummary,
    ShapeSummary,
    ShardSummary,
)

router = APIRouter(prefix="/v1")
_LIST = declared(400, 422)
_ONE = declared(404, 422)
_LIST_OF_ONE = declared(400, 404, 422)
OrderParam = Annotated[Order, Query(description="Largest first, or by id.")]
ClusterFilter = Annotated[int | None, Query(ge=0, description="Only events this cluster took part in.")]


@router.get("/status", responses=declared(), tags=["library"])
def status(library: LibraryDep) -> LibraryStatus:
    """Totals of the whole library."""
    return library.status()


@router.get("/shards", responses=_LIST, tags=["stream"])
def shards(library: LibraryDep, after: After = None, limit: Limit = 50) -> Page[ShardSummary]:
    """Shards opened so far and how far each is committed, by URL."""
    return page_of(library.shards(), after, limit)


@router.get("/clusters", responses=_LIST, tags=["clusters"])
def clusters(
    library: LibraryDep,
    order: OrderParam = "size",
    min_size: Annotated[int, Query(ge=0, description="Least images.")] = 1,
    quarantined: Annotated[bool, Query(description="Only clusters whose reconstruction keeps failing.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[ClusterSummary]:
    """Clusters of images that look alike."""
    return library.clusters(order=order, after=after, limit=limit, min_size=min_size, quarantined=quarantined)


@router.get("/clusters/{id}", responses=_ONE, tags=["clusters"])
def cluster(library: LibraryDep, id: Id) -> ClusterSummary:
    """One cluster."""
    return library.cluster(id)


@router.get("/clusters/{id}/images", responses=_LIST_OF_ONE, tags=["clusters"])
def members(library: LibraryDep, id: Id, after: After = None, limit: Limit = 50) -> Page[ImageSummary]:
    """Images of a cluster, by id."""
    return library.members(id, after=after, limit=limit)


@router.get("/shapes", responses=_LIST, tags=["shapes"])
def shapes(
    library: LibraryDep, order: OrderParam = "size", after: After = None, limit: Limit = 50
) -> Page[ShapeSummary]:
    """The published version of each shape."""
    return library.shapes(order=order, after=after, limit=limit)


@router.get("/shapes/{id}", responses=_ONE, tags=["shapes"])
def shape(library: LibraryDep, id: Id, version: Version = None) -> ShapeSummary:
    """One shape."""
    return library.shape(id, version)


@router.get("/shapes/{id}/versions", responses=_LIST_OF_ONE, tags=["shapes"])
def versions(library: LibraryDep, id: Id, after: After = None, limit: Limit = 50) -> Page[ShapeSummary]:
    """Every recorded version of a shape, published or not, oldest first."""
    return page_of(library.versions(id), after, limit)


@router.get("/shapes/{id}/cameras", responses=_LIST_OF_ONE, tags=["shapes"])
def cameras(
    library: LibraryDep, id: Id, version: Version = None, after: After = None, limit: Limit = 50
) -> Page[CameraSummary]:
    """Cameras of the images a version was fitted to."""
    return page_of(library.cameras(id, version), after, limit)


@router.get("/images/{id}", responses=_ONE, tags=["images"])
def image(library: LibraryDep, id: Id) -> ImageSummary:
    """One stored image."""
    return library.image(id)


@router.get("/images", responses=_LIST, tags=["images"])
def images(library: LibraryDep, after: After = None, limit: Limit = 50) -> Page[ImageSummary]:
    """All stored images, by id."""
    return library.images(after=after, limit=limit)


@router.get("/lineage", responses=_LIST, tags=["clusters"])
def lineage(
    library: LibraryDep, cluster: ClusterFilter = None, after: After = None, limit: Limit = 50
) -> Page[LineageSummary]:
    """Clusters that appeared, merged or split, oldest first."""
    return page_of(library.lineage(cluster), after, limit)


@router.get("/rejects", responses=_LIST, tags=["stream"])
def rejects(
    library: LibraryDep,
    reason: Annotated[str | None, Query(max_length=100, description="Only this reason.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[RejectSummary]:
    """Samples, members and shards that were refused, oldest first."""
    return library.rejects(reason=reason, after=after, limit=limit)
