"""The baseline of `ops.bench.curve`: at every doubling all images are clustered anew, every cluster is a cold start.

On the axis of images its shapes are there at once, which favours it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh

from actors.views import make_views
from index.backbones import Backbone, load_backbone
from index.library import Library
from index.records import OUTLIER
from ops.bench.clock import clock_of
from ops.bench.cluster.descriptors import Described
from ops.bench.cluster.stream import follow
from ops.bench.shapes import Judge
from ops.bench.snapshot import Snapshot
from ops.bench.truth import Array, Truth
from ops.bench.worth import Held, Point, judged, point
from recon import ReconConfig, reconstruct
from recon.config import Effort

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the baseline is made.

    Attributes:
        first: images of its first rebuild, doubled from then on.
        effort: of its reconstructions.
        min_views: images a cluster needs.
        max_views: most images of one reconstruction.
        device: torch device.
    """

    first: int = 75
    effort: Effort = "quick"
    min_views: int = 16
    max_views: int = 40
    device: str = "cpu"


def rebuild(
    library: Library, snapshot: Snapshot, truth: Truth, judge: Judge, settings: Settings, tell: Tell
) -> list[Point]:
    """The baseline's curve over images; its seconds are those of all reconstructions so far.

    They are the processor's where that does the work: other programs do not lengthen them, as they do the daemon's.
    """
    clock = clock_of(settings.device)
    status = library.status()
    encoder = load_backbone(status.backbone, device=settings.device)
    nobody = np.zeros(len(snapshot.images), np.int64)  # the truth takes no part in clustering
    points, spent = [Point(0, 0.0, 0.0, 0.0)], 0.0
    for count in doublings(settings.first, len(snapshot.images)):
        held: list[Held] = []
        described = Described("", snapshot.vectors[:count], nobody[:count], (status.backbone, status.fingerprint))
        for members in _clusters(described, status.clusterer, settings.min_views):
            began = clock()
            found = _reconstructed(library, snapshot, members, encoder, settings)
            spent += clock() - began
            if found is not None:
                keys, rotations, mesh = found
                held.append(judged(keys, rotations, mesh, len(members), truth, judge))
        points.append(point(count, spent, held))
        tell(f"{count} images: {len(held)} shapes, F {points[-1].fscore:.2f}, {spent:.0f} s so far")
    return points


def doublings(first: int, last: int) -> list[int]:
    """``first``, twice as many and so on, and ``last``."""
    counts = []
    while first < last:
        counts.append(first)
        first *= 2
    return [*counts, last]


def _clusters(described: Described, clusterer: str, least: int) -> list[list[int]]:
    """Rows of each cluster that a new clusterer makes of vectors, the large ones."""
    labels = follow(described, np.arange(len(described.vectors)), clusterer).repaired
    rows = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels) if label != OUTLIER]
    return [members for members in rows if len(members) >= least]


def _reconstructed(
    library: Library, snapshot: Snapshot, members: Sequence[int], encoder: Backbone, settings: Settings
) -> tuple[list[str], Array, trimesh.Trimesh] | None:
    """Keys and rotations of the views that take part in a cold start of images, and its mesh; None without a shape."""
    drawn = sorted(np.random.default_rng(0).permutation(len(members))[: settings.max_views].tolist())
    images = [snapshot.images[members[place]] for place in drawn]
    crops = np.stack([library.crop(image.id) for image in images])
    masks = np.stack([library.mask(image.id) for image in images])
    views = make_views(encoder, np.arange(len(images)), crops, masks)
    found = reconstruct(views, ReconConfig.preset(settings.effort), seed=0, device=settings.device)
    if found.shape is None or not (used := np.flatnonzero(found.shape.cameras.weight > 0)).size:
        return None
    mesh = trimesh.Trimesh(found.shape.mesh.vertices, found.shape.mesh.faces, process=False)
    return [images[found.ids[place]].key for place in used], found.shape.cameras.R[used].astype(float), mesh
