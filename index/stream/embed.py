"""A batch of pixels becomes a batch of objects; images without one are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.stream.batch import Batch, Sample
from index.views import MOST_OBJECTS, ObjectView
from ops.errors import RejectError
from ops.faults import reach


class Encoder(Protocol):
    """What a backbone has to offer here."""

    @property
    def fingerprint(self) -> str:
        """Digest of its weights and preprocessing."""

    def embed_objects(
        self, images: Sequence[NDArray[np.uint8]], most: int
    ) -> Sequence[Sequence[ObjectView] | RejectError]:
        """Up to ``most`` objects of each RGB image ``(H, W, 3)``, largest first, or why there is none."""


def embed_batch(backbone: Encoder, batch: Batch, most: int = MOST_OBJECTS) -> Batch:
    """Embeds the objects of every decoded image of a batch, ``most`` of each; pixels are dropped, views kept.

    Boxes are given in pixels of the original image, whatever size it was shrunk to.
    """
    reach("embed.before", [sample.key for sample in batch.samples if sample.image is not None])
    places = [place for place, sample in enumerate(batch.samples) if sample.image is not None]
    images = [image for sample in batch.samples if (image := sample.image) is not None]
    results = backbone.embed_objects(images, most) if images else []
    samples = list(batch.samples)
    for place, result in zip(places, results, strict=True):
        samples[place] = _embedded(samples[place], result)
    reach("embed.after")
    return replace(batch, samples=samples, fingerprint=backbone.fingerprint)


def joined(parts: Sequence[Batch]) -> Batch:
    """The batch whose samples were embedded in several parts, given in their order; at least one."""
    samples = [sample for part in parts for sample in part.samples]
    return replace(parts[0], samples=samples, embed_seconds=sum(part.embed_seconds for part in parts))


def _embedded(sample: Sample, result: Sequence[ObjectView] | RejectError) -> Sample:
    if isinstance(result, RejectError):
        return replace(sample, image=None, reject=result)
    return replace(sample, image=None, views=tuple(in_original(view, sample.size) for view in result))


def in_original(view: ObjectView, size: tuple[int, int]) -> ObjectView:
    """A view with its box in pixels of the original image of this ``(width, height)``, before it was shrunk."""
    scale = size[0] / view.image_size[0]
    x0, y0, x1, y1 = view.box
    return replace(view, box=(x0 * scale, y0 * scale, x1 * scale, y1 * scale), image_size=size)
