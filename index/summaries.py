"""What the library answers with: plain dataclasses, the one schema of shell, HTTP and Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; ``next`` is the opaque cursor of the following page, None at the end.

    A page of a list that is filtered may hold fewer items than asked for, or none, and yet have a next one.
    """

    items: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """A cluster: its images, and the state of its shape.

    ``failures`` counts reconstructions that broke in a row; a ``quarantined`` cluster broke too often and is left
    alone until it has grown, ``reason`` says why, or a person put it there. ``growth`` counts images that came since
    the last attempt; ``name``, ``tags``, ``pinned`` and ``hidden`` are what people say of it. ``seconds`` is what its
    reconstructions have taken so far, those that came to nothing better among them.
    """

    id: int
    size: int
    state: str
    born: int
    attempts: int
    verdict: str
    reason: str
    version: int
    failures: int
    quarantined: bool
    growth: int
    name: str
    tags: tuple[str, ...]
    pinned: bool
    hidden: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ShapeSummary:
    """One version of a shape with its figures; ``id`` is the cluster's id. Losses are in [0, 1], lower is better.

    ``images``, ``growth`` and what people say of it are those of its cluster today. It was compared with the version
    ``before`` on ``held_out`` images that neither was fitted to: ``held_out_loss`` against ``baseline_loss``; ``level``
    is the first version's loss times all such ratios and only falls. ``judge`` is what decided; where that is a person,
    who rolled back, files and cameras are those of version ``source``. ``certainty`` is the share of its cameras that
    should be right, None for versions of before this was asked.
    """

    id: int
    version: int
    outcome: str
    verdict: str
    reason: str
    images: int
    views: int
    loss: float
    baseline_loss: float
    silhouette_iou: float
    feature_distance: float
    warm: bool
    seconds: float
    vertices: int
    faces: int
    at: int
    time: float
    growth: int
    name: str
    tags: tuple[str, ...]
    pinned: bool
    hidden: bool
    judge: str
    before: int
    held_out: int
    held_out_loss: float
    level: float
    source: int
    certainty: float | None


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """A stored image: its origin, its object's crop box in pixels and the cluster it is in.

    One that a person put in quarantine neither takes part in reconstructions nor answers queries. Of its ``copies``,
    exact and near ones, nothing was stored; they are counted with the photo's first object. ``object`` says which of
    the photo's objects it shows, 0 for the largest; their images have consecutive ids.
    """

    id: int
    key: str
    shard: str
    url: str
    width: int
    height: int
    box: tuple[float, float, float, float]
    foreground: float
    cluster: int | None
    strength: float
    time: float
    quarantined: bool
    copies: int
    object: int


@dataclass(frozen=True, slots=True)
class PoseSummary:
    """Another camera that an image may have been taken with; ``weight`` is its odds, of 1."""

    R: tuple[tuple[float, ...], ...]
    t: tuple[float, float, float]
    fov: float
    offset: tuple[float, float]
    weight: float


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """Camera of one member image: PyTorch3D axes, ``x_cam = R @ x_obj + t``; angles in degrees.

    Its ``certainty`` is the odds, of 1, that it is right, None in versions of before this was asked. The odds of the
    ``alternatives``, likeliest first, and those that the image was taken from elsewhere make up the rest. ``at`` counts
    the images committed when it was registered to a version that was there already, 0 for what came with the version.
    """

    image: int
    R: tuple[tuple[float, ...], ...]
    t: tuple[float, float, float]
    fov: float
    offset: tuple[float, float]
    loss: float
    weight: float
    certainty: float | None
    alternatives: tuple[PoseSummary, ...]
    at: int


@dataclass(frozen=True, slots=True)
class RejectSummary:
    """One refused sample, tar member or shard; ``of`` is the stored image that it is a copy of."""

    id: int
    shard: str
    key: str
    reason: str
    detail: str
    time: float
    of: int | None


@dataclass(frozen=True, slots=True)
class LineageSummary:
    """A cluster appeared, merged or split after ``at`` stored images."""

    kind: str
    cluster: int
    others: tuple[int, ...]
    at: int
    time: float


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """How far one shard has been committed; ``blocked`` if a person deleted it, so that the rest is refused."""

    url: str
    cursor: int
    done: bool
    stored: int
    rejected: int
    deleted: int
    blocked: bool
    quarantined: bool


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """One change: what happened after ``at`` committed images, and what the library held after it.

    ``cluster`` is None for what is about no cluster, ``version`` for what is about no version. ``count`` is of images
    that came or went; ``images``, ``clusters``, ``shapes`` and ``loss`` are the totals.
    """

    id: int
    kind: str
    at: int
    time: float
    cluster: int | None
    others: tuple[int, ...]
    version: int | None
    count: int
    detail: str
    images: int
    clusters: int
    shapes: int
    loss: float


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """The library at a glance."""

    backbone: str
    fingerprint: str
    clusterer: str
    images: int
    rejected: int
    rejects_by_reason: dict[str, int]
    shards: int
    shards_done: int
    clusters: int
    outliers: int
    shapes: int
    reconstructions: int
    quarantined: int
    store_bytes: int


@dataclass(frozen=True, slots=True)
class QueryHit:
    """A cluster near a query image: best cosine similarity of its images, how many of the nearest are in it."""

    cluster: int
    score: float
    votes: int
    size: int
    version: int
    nearest_image: int
