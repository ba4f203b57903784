"""What every backbone offers, and the flow all of them share: foreground, crop, finer mask, descriptor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from index.backbones.compute import compute_dtype, find_device
from index.backbones.crop import BACKDROP, MIN_FOREGROUND, MIN_SIDE, Box, cut, main_components, squash
from index.backbones.objects import Found, find_objects, own_part, screen
from index.backbones.refine import refine
from index.precision import Precision
from index.views import CROP_SIZE, MOST_OBJECTS, ObjectView
from ops.errors import RejectError

BATCH_SIZE = 16
"""Images in one forward pass; larger batches gain nothing on a CPU and cost memory."""

COARSE_GRID = 10
"""Patches along a side of the image in the first look, which only has to find the object.

Against 16 it costs 0.007 of the masks' mean IoU on the furniture crawl and saves a third of all computation.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What one forward pass over square images says.

    Attributes:
        saliency: ``(N, S, S)`` float32 in [0, 1], foreground over background.
        patches: ``(N, C, G, G)`` float32 patch tokens.
    """

    saliency: Tensor
    patches: Tensor


Choose = Callable[[list[Found], NDArray[np.uint8]], list[Found] | RejectError]
"""Which of the objects found in an image are embedded, given the squashed image ``(S, S, 3)``; at least one."""


class Backbone(ABC):
    """A named, fingerprinted encoder: images in, object views and dense patch features out.

    Attributes:
        name: what `load_backbone` was asked for.
        fingerprint: hex digest of architecture, weights and preprocessing; vectors of different fingerprints
            must not be mixed.
        dim: length of a descriptor.
        patch_dim: channels of the patch features.
        grid: patches along a side of a crop.
        device: where the forward passes run.
    """

    name: str
    fingerprint: str
    dim: int
    patch_dim: int
    grid: int

    def __init__(self, device: str, precision: Precision) -> None:
        self.device = find_device(device)
        self._dtype = compute_dtype(self.device, precision)

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> list[ObjectView | RejectError]:
        """Find, cut out and describe the main object of each image.

        Args:
            images: RGB images ``(H, W, 3)``, of any and different sizes.

        Returns:
            One entry an image, in order. An image without an object is a `RejectError` as a value, reason
            ``no_foreground``; one with a side under `MIN_SIDE` pixels has the reason ``too_small``.
        """
        found = self._embed(images, lambda objects, _: objects[:1])
        return [one if isinstance(one, RejectError) else one[0] for one in found]

    def embed_objects(
        self, images: Sequence[NDArray[np.uint8]], most: int = MOST_OBJECTS
    ) -> list[list[ObjectView] | RejectError]:
        """Find, cut out and describe every object of each image that is good for a shape.

        Args:
            images: RGB images ``(H, W, 3)``, of any and different sizes.
            most: objects of one image at most, the largest.

        Returns:
            One entry an image, in order: its objects, largest first and at least one, or a `RejectError` as a value.
            Beside the reasons of `embed` there are ``cut_off``, where every object runs over the image's edge, and
            ``collage``, for pictures put side by side.
        """

        def choose(objects: list[Found], image: NDArray[np.uint8]) -> list[Found] | RejectError:
            good = screen(objects, image)
            return good if isinstance(good, RejectError) else good[:most]

        return self._embed(images, choose)

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Dense patch features of square crops.

        Args:
            crops: ``(N, CROP_SIZE, CROP_SIZE, 3)``, background kept.

        Returns:
            ``(N, patch_dim, grid, grid)`` float32, not normalised.
        """
        features = np.empty((len(crops), self.patch_dim, self.grid, self.grid), dtype=np.float32)
        for start in range(0, len(crops), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            with self._inference():
                features[part] = self._patches(self._tensor(crops[part])).float().cpu().numpy()
        return features

    def viewpoints(
        self, features: NDArray[np.float32], mirrored: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Guesses the side each crop is seen from, for backbones whose features a viewpoint head can read.

        Args:
            features: of `patches`.
            mirrored: of `patches` of the mirrored crops.
            masks: ``(N, CROP_SIZE, CROP_SIZE)`` foreground of the crops.

        Returns:
            Log odds ``(N, A)`` of azimuths and elevations ``(N,)`` in degrees, see `viewpoint.guess`; None where
            no head was trained for these features.
        """
        return None

    @abstractmethod
    def _look(self, images: Tensor) -> Look:
        """Foreground and patch tokens of uint8 images ``(N, S, S, 3)``, S any multiple of the patch."""

    @abstractmethod
    def _patches(self, crops: Tensor) -> Tensor:
        """Patch features ``(N, C, G, G)`` of uint8 crops ``(N, S, S, 3)``."""

    @abstractmethod
    def _describe(self, crops: Tensor, masks: Tensor, look: Look) -> Tensor:
        """Unit descriptors ``(N, D)`` of uint8 crops ``(N, S, S, 3)`` with masks ``(N, S, S)`` and their look."""

    def _embed(self, images: Sequence[NDArray[np.uint8]], choose: Choose) -> list[list[ObjectView] | RejectError]:
        results: list[list[ObjectView] | RejectError] = []
        for start in range(0, len(images), BATCH_SIZE):
            results += self._embed_batch(images[start : start + BATCH_SIZE], choose)
        return results

    def _embed_batch(self, images: Sequence[NDArray[np.uint8]], choose: Choose) -> list[list[ObjectView] | RejectError]:
        refused: dict[int, RejectError] = {
            index: RejectError("too_small", f"{image.shape[1]} x {image.shape[0]} pixels")
            for index, image in enumerate(images)
            if min(image.shape[:2]) < MIN_SIDE
        }
        todo = [index for index in range(len(images)) if index not in refused]
        objects: list[tuple[int, Found]] = []
        for index, found in zip(todo, self._locate([images[index] for index in todo], choose), strict=True):
            if isinstance(found, RejectError):
                refused[index] = found
            else:
                objects += [(index, one) for one in found]
        views: dict[int, list[ObjectView | RejectError]] = {}
        for start in range(0, len(objects), BATCH_SIZE):
            part = objects[start : start + BATCH_SIZE]
            for (index, _), view in zip(part, self._views(images, part), strict=True):
                views.setdefault(index, []).append(view)
        return [refused[index] if index in refused else _kept(views[index]) for index in range(len(images))]

    def _locate(self, images: Sequence[NDArray[np.uint8]], choose: Choose) -> list[list[Found] | RejectError]:
        """The objects chosen of each image, out of a coarse look at the whole."""
        if not images:
            return []
        size = COARSE_GRID * (CROP_SIZE // self.grid)
        squashed = np.stack([squash(image, size) for image in images])
        with self._inference():
            look = self._look(self._tensor(squashed))
        results: list[list[Found] | RejectError] = []
        for saliency, small, image in zip(look.saliency.cpu().numpy(), squashed, images, strict=True):
            found = find_objects(saliency, (image.shape[1], image.shape[0]))
            results.append(found if isinstance(found, RejectError) else choose(found, small))
        return results

    def _views(
        self, images: Sequence[NDArray[np.uint8]], objects: Sequence[tuple[int, Found]]
    ) -> list[ObjectView | RejectError]:
        """The view of each object ``(image, found)``, out of a full look at its crop."""
        crops = np.stack([cut(images[index], found.box, BACKDROP) for index, found in objects])
        with self._inference():
            tensor = self._tensor(crops)
            look = self._look(tensor)
            saliencies = look.saliency.cpu().numpy()
            masks = np.stack(
                [
                    main_components(refine(saliency, crop) & own_part(found, images[index].shape[:2]))
                    for saliency, crop, (index, found) in zip(saliencies, crops, objects, strict=True)
                ]
            )
            descriptors = self._describe(tensor, torch.from_numpy(masks).to(self.device), look).float().cpu().numpy()
        return [
            _object_view(images[index], found.box, *view)
            for (index, found), view in zip(objects, zip(crops, masks, descriptors, strict=True), strict=True)
        ]

    def _tensor(self, images: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        enabled = self._dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self.device.type, self._dtype, enabled=enabled):
            yield


def _kept(views: Sequence[ObjectView | RejectError]) -> list[ObjectView] | RejectError:
    """The objects that a closer look has confirmed; if there are none, why the largest was not."""
    kept = [view for view in views if isinstance(view, ObjectView)]
    if kept or isinstance(views[0], ObjectView):
        return kept
    return views[0]


def _object_view(
    image: NDArray[np.uint8],
    box: Box,
    crop: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    descriptor: NDArray[np.float32],
) -> ObjectView | RejectError:
    height, width = image.shape[:2]
    share = float(mask.mean()) * (box[2] - box[0]) * (box[3] - box[1]) / (width * height)
    if share < MIN_FOREGROUND:
        return RejectError("no_foreground", f"the object covers {share:.2%} of the image")
    return ObjectView(descriptor, crop, mask, box, (width, height), min(share, 1.0))
