"""A finished library as the benchmarks need it: every image with its cluster, vector, mask and shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from index.jobs import MESH
from index.library import Library
from index.paging import MAX_LIMIT
from index.summaries import ImageSummary, Page
from ops.bench.masks import Mask, uncrop
from ops.bench.partition import majority
from ops.bench.shapes import Recovered
from ops.bench.truth import Truth, load_mesh
from ops.errors import StateError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Images of a library that the truth knows.

    Attributes:
        images: by ascending id.
        vectors: ``(N, D)`` float32 unit descriptors, row i for image i.
    """

    images: list[ImageSummary]
    vectors: NDArray[np.float32]

    @property
    def clusters(self) -> list[int | None]:
        """Cluster of each image."""
        return [image.cluster for image in self.images]


def take_snapshot(library: Library, truth: Truth) -> Snapshot:
    """Read images and vectors.

    Raises:
        StateError: the library holds no image that the truth knows.
    """
    images = [i for i in every(lambda after: library.images(after=after, limit=MAX_LIMIT)) if i.key in truth.images]
    if not images:
        raise StateError("the library holds no image of these data; run `shapelode run` on their shards first")
    vectors = dict(library.vectors())
    return Snapshot(images, np.stack([vectors[image.id] for image in images]))


def every(page: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """All items of a paged list."""
    after: str | None = None
    while True:
        found = page(after)
        yield from found.items
        if found.next is None:
            return
        after = found.next


def image_mask(library: Library, image: ImageSummary) -> Mask:
    """Predicted foreground ``(H, W)`` of a whole image."""
    return uncrop(library.mask(image.id), image.box, (image.width, image.height))


def published_shapes(library: Library, snapshot: Snapshot, truth: Truth) -> list[Recovered]:
    """Each published shape as the shape that most images of its cluster show.

    Cameras of strangers (weight 0) and of images that show another shape are left out; a shape without a
    single other camera is, too.
    """
    by_id = {image.id: image for image in snapshot.images}
    found = []
    for shape in every(lambda after: library.shapes(after=after, limit=MAX_LIMIT)):
        members = [truth.images[i.key].shape for i in snapshot.images if i.cluster == shape.id]
        cameras = [c for c in library.cameras(shape.id) if c.image in by_id and c.weight > 0]
        if not members:
            continue
        name = majority(members)
        own = [c for c in cameras if truth.images[by_id[c.image].key].shape == name]
        if own:
            mesh = load_mesh(library.artifact(shape.id, MESH))
            keys = [by_id[c.image].key for c in own]
            found.append(Recovered(name, len(members), mesh, keys, np.array([c.R for c in own], dtype=float)))
    return found
