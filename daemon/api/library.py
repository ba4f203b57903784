"""Routes that read the library."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from daemon.api.errors import declared
from daemon.api.params import MAX_ID, After, FilterDep, Id, LibraryDep, Limit, Reverse, Version
from daemon.listing import page_of
from index.lists import Order
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
OrderParam = Annotated[Order, Query(description="Largest, least id, best, most grown, oldest or latest first.")]
OutcomeParam = Annotated[
    Literal["published", "candidate", "no_shape"] | None, Query(description="Only versions of this outcome.")
]
ClusterFilter = Annotated[int | None, Query(ge=0, le=MAX_ID, description="Only events this cluster took part in.")]


@router.get("/status", responses=declared(), tags=["library"])
def status(library: LibraryDep) -> LibraryStatus:
    """Totals of the whole library."""
    return library.status()


@router.get("/shards", responses=_LIST, tags=["stream"])
def shards(library: LibraryDep, after: After = None, limit: Limit = 50) -> Page[ShardSummary]:
    """Shards opened so far and how far each is committed, by URL."""
    return library.shards(after=after, limit=limit)


@router.get("/clusters", responses=_LIST, tags=["clusters"])
def clusters(
    library: LibraryDep,
    chosen: FilterDep,
    order: OrderParam = "size",
    reverse: Reverse = False,
    retired: Annotated[bool, Query(description="Those that were merged, dissolved or deleted instead.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[ClusterSummary]:
    """Clusters of images that look alike."""
    return library.clusters(order=order, chosen=chosen, retired=retired, reverse=reverse, after=after, limit=limit)


@router.get("/clusters/{id}", responses=_ONE, tags=["clusters"])
def cluster(library: LibraryDep, id: Id) -> ClusterSummary:
    """One cluster."""
    return library.cluster(id)


@router.get("/clusters/{id}/images", responses=_LIST_OF_ONE, tags=["clusters"])
def members(library: LibraryDep, id: Id, after: After = None, limit: Limit = 50) -> Page[ImageSummary]:
    """Images of a cluster, those that look nearly the same together."""
    return library.members(id, after=after, limit=limit)


@router.get("/shapes", responses=_LIST, tags=["shapes"])
def shapes(
    library: LibraryDep,
    chosen: FilterDep,
    order: OrderParam = "size",
    candidates: Annotated[
        bool, Query(description="After each shape its versions since that were not published.")
    ] = False,
    reverse: Reverse = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[ShapeSummary]:
    """The published version of each shape."""
    return library.shapes(order=order, chosen=chosen, candidates=candidates, reverse=reverse, after=after, limit=limit)


@router.get("/shapes/{id}", responses=_ONE, tags=["shapes"])
def shape(library: LibraryDep, id: Id, version: Version = None) -> ShapeSummary:
    """One shape."""
    return library.shape(id, version)


@router.get("/shapes/{id}/versions", responses=_LIST_OF_ONE, tags=["shapes"])
def versions(
    library: LibraryDep, id: Id, outcome: OutcomeParam = None, after: After = None, limit: Limit = 50
) -> Page[ShapeSummary]:
    """Every recorded version of a shape, published or not, oldest first."""
    return page_of(library.versions(id, outcome), after, limit)


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
def images(
    library: LibraryDep,
    source: Annotated[str | None, Query(max_length=4096, description="Only those of this shard.")] = None,
    quarantined: Annotated[bool, Query(description="Only those that people put in quarantine.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> Page[ImageSummary]:
    """Stored images, by id."""
    return library.images(source=source, quarantined=quarantined, after=after, limit=limit)


@router.get("/lineage", responses=_LIST, tags=["clusters"])
def lineage(
    library: LibraryDep, cluster: ClusterFilter = None, after: After = None, limit: Limit = 50
) -> Page[LineageSummary]:
    """Clusters that appeared, merged or split, oldest first."""
    return library.lineage(cluster, after=after, limit=limit)


@router.get("/rejects", responses=_LIST, tags=["stream"])
def rejects(
    library: LibraryDep,
    reason: Annotated[str | None, Query(max_length=100, description="Only this reason.")] = None,
    of: Annotated[int | None, Query(ge=0, lt=2**63, description="Only copies of this image.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[RejectSummary]:
    """Samples, members and shards that were refused, oldest first."""
    return library.rejects(reason=reason, of=of, after=after, limit=limit)
