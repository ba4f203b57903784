"""A Python client of the HTTP API: the library's verbs, its dataclasses, and Shapelode's own errors.

with Client("http://127.0.0.1:8321") as library:
    for shape in library.every(library.shapes, order="quality"):
        print(shape.id, shape.loss)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

import httpx
import msgspec

from daemon.atlas import LibraryMap
from daemon.compare import Comparison
from daemon.correspond import Correspondences, PointQuery
from daemon.health import PipelineState
from daemon.keypoints import Keypoints
from daemon.query import QueryMatch
from daemon.sights import Sight
from daemon.similar import SimilarShape
from index.curation import Edit, EditReport
from index.rollback import Rollback
from index.summaries import (
    CameraSummary,
    ChangeSummary,
    ClusterSummary,
    ImageSummary,
    LibraryStatus,
    LineageSummary,
    Page,
    RejectSummary,
    ShapeSummary,
    ShardSummary,
)
from ops.errors import (
    ConfigError,
    FingerprintError,
    NotFoundError,
    RejectError,
    ShapelodeError,
    SourceError,
    StateBusyError,
    StateError,
)

T = TypeVar("T")
_ERRORS: dict[str, type[ShapelodeError]] = {
    "not_found": NotFoundError,
    "bad_request": ConfigError,
    "invalid": ConfigError,
    "unauthorized": ConfigError,
    "wrong_host": ConfigError,
    "busy": StateBusyError,
    "backbone_mismatch": FingerprintError,
    "library_unavailable": StateError,
}
_TIMEOUT_S = 60.0


class Client:
    """Speaks to one server; a context manager. Filters and pages are named as in the API."""

    def __init__(self, url: str, token: str = "", *, transport: httpx.BaseTransport | None = None) -> None:
        """Connects with the first request.

        Args:
            url: of the server.
            token: if it asks for one.
            transport: how to reach it, by default over the network.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Proxies of the environment are for the world outside; the library may be on this machine.
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT_S, transport=transport, trust_env=False
        )

    def status(self) -> LibraryStatus:
        """Totals of the whole library."""
        return self._get("/v1/status", LibraryStatus)

    def map(self) -> LibraryMap:
        """Clusters on the two axes along which they differ most."""
        return self._get("/v1/map", LibraryMap)

    def pipeline(self) -> PipelineState:
        """What the stages of the daemon are at."""
        return self._get("/v1/pipeline", PipelineState)

    def shards(self, **paging: Any) -> Page[ShardSummary]:
        """Shards opened so far, by URL."""
        return self._get("/v1/shards", Page[ShardSummary], paging)

    def clusters(self, **filters: Any) -> Page[ClusterSummary]:
        """Clusters, in an order and by filters."""
        return self._get("/v1/clusters", Page[ClusterSummary], filters)

    def cluster(self, cluster: int) -> ClusterSummary:
        """One cluster."""
        return self._get(f"/v1/clusters/{cluster}", ClusterSummary)

    def members(self, cluster: int, **paging: Any) -> Page[ImageSummary]:
        """Images of a cluster."""
        return self._get(f"/v1/clusters/{cluster}/images", Page[ImageSummary], paging)

    def shapes(self, **filters: Any) -> Page[ShapeSummary]:
        """Published shapes, in an order and by filters."""
        return self._get("/v1/shapes", Page[ShapeSummary], filters)

    def shape(self, shape: int, version: int | None = None) -> ShapeSummary:
        """One version of a shape."""
        return self._get(f"/v1/shapes/{shape}", ShapeSummary, {"version": version})

    def versions(self, shape: int, **paging: Any) -> Page[ShapeSummary]:
        """Every recorded version of a shape."""
        return self._get(f"/v1/shapes/{shape}/versions", Page[ShapeSummary], paging)

    def cameras(self, shape: int, version: int | None = None, **paging: Any) -> Page[CameraSummary]:
        """Cameras of a version."""
        return self._get(f"/v1/shapes/{shape}/cameras", Page[CameraSummary], {"version": version, **paging})

    def compare(self, shape: int, version: int, other: int) -> Comparison:
        """Two versions of a shape side by side."""
        return self._get(f"/v1/shapes/{shape}/compare", Comparison, {"version": version, "other": other})

    def images(self, **filters: Any) -> Page[ImageSummary]:
        """Stored images, by id."""
        return self._get("/v1/images", Page[ImageSummary], filters)

    def image(self, image: int) -> ImageSummary:
        """One stored image."""
        return self._get(f"/v1/images/{image}", ImageSummary)

    def lineage(self, cluster: int | None = None, **paging: Any) -> Page[LineageSummary]:
        """Clusters that appeared, merged, split or ended."""
        return self._get("/v1/lineage", Page[LineageSummary], {"cluster": cluster, **paging})

    def rejects(self, reason: str | None = None, of: int | None = None, **paging: Any) -> Page[RejectSummary]:
        """What was refused; all of it, or for one reason, or as a copy of one image."""
        return self._get("/v1/rejects", Page[RejectSummary], {"reason": reason, "of": of, **paging})

    def changes(self, **filters: Any) -> Page[ChangeSummary]:
        """The feed of what changed."""
        return self._get("/v1/changes", Page[ChangeSummary], filters)

    def moment(self, *, images: int | None = None, time: float | None = None) -> ChangeSummary:
        """What the library held after so many images, or at a time."""
        return self._get("/v1/moment", ChangeSummary, {"images": images, "time": time})

    def shapes_at(self, *, images: int | None = None, time: float | None = None, **paging: Any) -> Page[ShapeSummary]:
        """The shapes of that moment."""
        return self._get("/v1/moment/shapes", Page[ShapeSummary], {"images": images, "time": time, **paging})

    def events(self, since: int | None = None) -> Iterator[ChangeSummary]:
        """Changes as they happen, for ever; begins with those after the one with an id, else with the next one.

        A connection that breaks is the caller's to open again, with the id of the last change seen.
        """
        query = {} if since is None else {"since": since}
        with self._http.stream("GET", "/v1/events", params=query, timeout=None) as response:
            if response.status_code != 200:
                response.read()
                self._refuse(response)
            for line in response.iter_lines():
                if line.startswith("data:"):
                    yield msgspec.convert(json.loads(line[5:]), ChangeSummary)

    def rollback(self, shape: int, version: int) -> EditReport:
        """Makes an earlier version of a shape the current one, as a new version."""
        return self.edit(Rollback(shape, version))

    def edit(self, edit: Edit) -> EditReport:
        """Names, tags, pins, hides, quarantines or deletes."""
        response = self._http_request("POST", "/v1/edits", content=msgspec.json.encode(edit), headers=_JSON)
        return msgspec.convert(response.json(), EditReport)

    def query(self, image: bytes, *, limit: int = 10, register: int = 0) -> Page[QueryMatch]:
        """Clusters and shapes like an image; the best are registered to it if asked."""
        query = {"limit": limit, "register": register}
        response = self._http_request("POST", "/v1/query", params=query, files={"image": image})
        return msgspec.convert(response.json(), Page[QueryMatch])

    def similar(
        self, shape: int, version: int | None = None, *, by: str = "form", limit: int = 10
    ) -> Page[SimilarShape]:
        """Shapes like one of the library, by `form` or `look`."""
        return self._get(
            f"/v1/shapes/{shape}/similar", Page[SimilarShape], {"version": version, "by": by, "limit": limit}
        )

    def similar_to_mesh(self, mesh: bytes, format: str, *, up: str = "y", limit: int = 10) -> Page[SimilarShape]:
        """Shapes whose form is like that of a mesh from elsewhere."""
        query = {"format": format, "up": up, "limit": limit}
        response = self._http_request("POST", "/v1/similar", params=query, files={"mesh": mesh})
        return msgspec.convert(response.json(), Page[SimilarShape])

    def sights(self, shape: int, version: int | None = None, **wanted: Any) -> Page[Sight]:
        """Images that show a shape, best first; of a direction (`azimuth`, `elevation`, `within`) or a time."""
        return self._get(f"/v1/shapes/{shape}/images", Page[Sight], {"version": version, **wanted})

    def correspond(self, shape: int, asked: PointQuery, version: int | None = None) -> Correspondences:
        """The points of a shape behind pixels, and where they are in other images."""
        response = self._http_request(
            "POST", f"/v1/shapes/{shape}/correspond", params=_given({"version": version}),
            content=msgspec.json.encode(asked), headers=_JSON,
        )  # fmt: skip
        return msgspec.convert(response.json(), Correspondences)

    def keypoints(self, shape: int, version: int | None = None, *, original: bool = False) -> Keypoints:
        """The sparse structure of a shape; pixels of the crops, or of the original images."""
        query = {"version": version, "original": original}
        return self._get(f"/v1/shapes/{shape}/keypoints", Keypoints, query)

    def export(self, shape: int, format: str = "glb", version: int | None = None, sure: float = 0.0) -> bytes:
        """A shape as a file for other programs; of its images only those whose cameras are as certain."""
        return self._fetch(f"/v1/shapes/{shape}/export", {"format": format, "version": version, "sure": sure})

    def crop(self, image: int) -> bytes:
        """An image's crop as JPEG."""
        return self._fetch(f"/v1/images/{image}/crop.jpg", {})

    def preview(self, shape: int, version: int | None = None) -> bytes:
        """A picture of a shape as PNG."""
        return self._fetch(f"/v1/shapes/{shape}/preview.png", {"version": version})

    def every(self, page: Callable[..., Page[T]], *arguments: Any, **filters: Any) -> Iterator[T]:
        """All items of a list, page after page."""
        after: str | None = None
        while True:
            found = page(*arguments, **filters, after=after)
            yield from found.items
            if found.next is None:
                return
            after = found.next

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        """Connects with the first request."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self.close()

    def _get(self, path: str, type_: type[T], query: dict[str, Any] | None = None) -> T:
        return msgspec.convert(self._http_request("GET", path, params=_given(query)).json(), type_)

    def _fetch(self, path: str, query: dict[str, Any]) -> bytes:
        return self._http_request("GET", path, params=_given(query)).content

    def _http_request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise SourceError(f"cannot reach {self._http.base_url}: {error or type(error).__name__}") from error
        if response.status_code >= 400:
            self._refuse(response)
        return response

    def _refuse(self, response: httpx.Response) -> None:
        try:
            told = response.json()["error"]
            code, message, detail = told["code"], told["message"], told["detail"]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{response.url} answered {response.status_code}, not as this API does") from error
        if code == "image_rejected":
            raise RejectError(detail["reason"], detail["detail"])
        raise _ERRORS.get(code, ShapelodeError)(message)


_JSON = {"Content-Type": "application/json"}


def _given(query: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}
