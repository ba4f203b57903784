"""The flow all backbones share, with a model that takes brightness for saliency."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from index.backbones.base import BATCH_SIZE, Backbone, Look
from index.views import CROP_SIZE, ObjectView
from ops.errors import RejectError


class BrightnessBackbone(Backbone):
    """Bright is foreground; the descriptor is the mean colour of the masked crop."""

    name = "brightness"
    dim = 3
    patch_dim = 3
    grid = 4

    def __init__(self) -> None:
        super().__init__("cpu", "fp32")
        self.batches: list[int] = []

    def _look(self, images: Tensor) -> Look:
        self.batches.append(len(images))
        return Look(images.float().mean(dim=3) / 255, self._patches(images))

    def _patches(self, crops: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(crops.permute(0, 3, 1, 2).float(), self.grid)

    def _describe(self, crops: Tensor, masks: Tensor, look: Look) -> Tensor:
        assert look.patches.shape == (len(crops), 3, 4, 4)
        return F.normalize((crops.float() * masks[..., None]).sum(dim=(1, 2)), dim=1)


def square(
    colour: tuple[int, int, int], corner: int = 60, side: int = 60, size: tuple[int, int] = (200, 260)
) -> np.ndarray:
    image = np.full((*size, 3), 20, dtype=np.uint8)
    image[corner : corner + side, corner : corner + side] = colour
    return image


def test_views_come_back_in_order_across_batches() -> None:
    backbone = BrightnessBackbone()
    count = BATCH_SIZE + 5
    images = [square((250, 160 + 3 * index, 200)) for index in range(count)]
    views = backbone.embed(images)
    greens = [view.descriptor[1] / view.descriptor[0] for view in views if isinstance(view, ObjectView)]
    assert len(greens) == count
    assert np.all(np.diff(greens) > 0)
    assert max(backbone.batches) <= BATCH_SIZE


def test_the_view_describes_the_object_where_it_is() -> None:
    (view,) = BrightnessBackbone().embed([square((255, 200, 220))])
    assert isinstance(view, ObjectView)
    assert np.allclose([(view.box[0] + view.box[2]) / 2, (view.box[1] + view.box[3]) / 2], [90, 90], atol=1.5)
    assert abs(view.foreground - 60 * 60 / (200 * 260)) < 0.006
    assert view.image_size == (260, 200)
    assert (view.crop[view.mask].mean(axis=0) > (240, 185, 205)).all()
    assert view.mask[CROP_SIZE // 2, CROP_SIZE // 2] and not view.mask[0, 0]


def test_background_is_kept_in_the_crop_and_grey_fills_the_outside() -> None:
    (view,) = BrightnessBackbone().embed([square((255, 255, 255), corner=0, side=100)])
    assert isinstance(view, ObjectView)
    assert view.box[0] < 0
    assert (view.crop[:8, :8] == 128).all()
    assert (view.crop[-8:, -8:] == 20).all()


def test_only_rejected_images_give_only_rejections() -> None:
    backbone = BrightnessBackbone()
    results = backbone.embed([np.zeros((5, 5, 3), np.uint8), np.zeros((90, 90, 3), np.uint8)])
    assert [result.reason for result in results if isinstance(result, RejectError)] == [
        "too_small",
        "no_foreground",
    ]


def test_patches_are_batched_and_float32() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE + 1, CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)
    features = BrightnessBackbone().patches(crops)
    assert features.dtype == np.float32
    expected = crops[-1, :56, :56].reshape(-1, 3).mean(axis=0)
    assert np.allclose(features[-1, :, 0, 0], expected, atol=1e-2)
    assert torch.from_numpy(features).shape == (BATCH_SIZE + 1, 3, 4, 4)


def two_squares() -> np.ndarray:
    image = square((250, 60, 230), corner=20, side=60)
    image[image == 20] = 5  # nothing joins them
    image[120:170, 160:210] = (90, 250, 230)
    return image


def test_every_object_of_an_image_gets_a_view_of_its_own() -> None:
    backbone = BrightnessBackbone()
    several, nothing, one = backbone.embed_objects([two_squares(), square((20, 20, 20)), square((255, 200, 220))])
    assert isinstance(several, list) and isinstance(one, list) and isinstance(nothing, RejectError)
    assert [round((view.box[0] + view.box[2]) / 2) for view in several] == [50, 185]
    assert several[0].descriptor[0] > 0.6 > 0.4 > several[1].descriptor[0]
    assert len(one) == 1 and np.array_equal(one[0].descriptor, backbone.embed([square((255, 200, 220))])[0].descriptor)
    (largest,) = backbone.embed([two_squares()])
    assert isinstance(largest, ObjectView) and np.array_equal(largest.mask, several[0].mask)
    assert [len(found) for found in backbone.embed_objects([two_squares()], most=1)] == [1]


def test_many_objects_do_not_make_a_batch_longer() -> None:
    backbone = BrightnessBackbone()
    found = backbone.embed_objects([two_squares()] * BATCH_SIZE)
    assert [len(views) for views in found if isinstance(views, list)] == [2] * BATCH_SIZE
    assert max(backbone.batches) == BATCH_SIZE


def test_a_cut_off_object_is_refused_for_a_shape_and_taken_as_a_query() -> None:
    image = square((255, 255, 255), corner=0, side=100)
    (view,), (refused,) = BrightnessBackbone().embed([image]), BrightnessBackbone().embed_objects([image])
    assert isinstance(view, ObjectView)
    assert isinstance(refused, RejectError) and refused.reason == "cut_off"
