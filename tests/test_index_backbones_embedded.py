"""The `embedded` backbone on pictures drawn here."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from index.backbones import load_backbone
from index.backbones.base import Backbone
from index.backbones.crop import MIN_SIDE
from index.precision import Precision
from index.views import CROP_SIZE, ObjectView
from ops.errors import RejectError
from ops.synth import seats, vessels
from ops.synth.render import photograph
from ops.synth.shapes import assemble
from tests.cuda import CUDA, needs_gpu


@cache
def backbone() -> Backbone:
    return load_backbone("embedded")


def picture(seed: int, size: tuple[int, int] = (240, 320)) -> tuple[np.ndarray, np.ndarray]:
    """A shaded disc on a soft backdrop, and its mask."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    rows -= size[0] * rng.uniform(0.4, 0.6)
    columns -= size[1] * rng.uniform(0.4, 0.6)
    radius = 0.28 * min(size)
    mask = rows**2 + columns**2 < radius**2
    shade = 0.75 + 0.25 * (columns - rows) / (2 * radius)
    front = np.clip(shade, 0.3, 1)[..., None] * rng.uniform(120, 255, 3)
    back = rng.uniform(150, 230) + ndimage.gaussian_filter(rng.normal(0, 40, (*size, 3)), (12, 12, 0))
    return np.clip(np.where(mask[..., None], front, back), 0, 255).astype(np.uint8), mask


def view_of(image: np.ndarray) -> ObjectView:
    (view,) = backbone().embed([image])
    assert isinstance(view, ObjectView)
    return view


def test_a_view_keeps_its_contract() -> None:
    image, mask = picture(0)
    view = view_of(image)
    assert view.descriptor.shape == (backbone().dim,) and view.descriptor.dtype == np.float32
    assert np.linalg.norm(view.descriptor) == pytest.approx(1, abs=1e-4)
    assert view.crop.shape == (CROP_SIZE, CROP_SIZE, 3) and view.crop.dtype == np.uint8
    assert view.mask.shape == (CROP_SIZE, CROP_SIZE) and view.mask.dtype == np.bool_
    assert view.image_size == (320, 240)
    assert view.box[2] - view.box[0] == pytest.approx(view.box[3] - view.box[1])
    assert view.foreground == pytest.approx(mask.mean(), rel=0.3)


def test_the_mask_covers_the_object() -> None:
    image, mask = picture(1)
    view = view_of(image)
    found = np.zeros(mask.shape, dtype=bool)
    scale = CROP_SIZE / (view.box[2] - view.box[0])
    rows = ((np.arange(mask.shape[0]) + 0.5 - view.box[1]) * scale).astype(int)
    columns = ((np.arange(mask.shape[1]) + 0.5 - view.box[0]) * scale).astype(int)
    inside = np.ix_((rows >= 0) & (rows < CROP_SIZE), (columns >= 0) & (columns < CROP_SIZE))
    kept_rows = rows[(rows >= 0) & (rows < CROP_SIZE)]
    found[inside] = view.mask[np.ix_(kept_rows, columns[(columns >= 0) & (columns < CROP_SIZE)])]
    assert (found & mask).sum() / (found | mask).sum() > 0.8


def test_rejections_are_values_in_their_place() -> None:
    blank = np.full((100, 140, 3), 200, dtype=np.uint8)
    tiny = np.zeros((MIN_SIDE - 1, 50, 3), dtype=np.uint8)
    results = backbone().embed([blank, picture(2)[0], tiny])
    assert [getattr(result, "reason", "view") for result in results] == ["no_foreground", "view", "too_small"]
    assert isinstance(results[0], RejectError)


def test_nothing_in_nothing_out() -> None:
    assert backbone().embed([]) == []
    assert backbone().patches(np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)).shape == (0, 384, 16, 16)


@pytest.mark.parametrize(("precision", "cosine"), [("fp32", 1 - 1e-6), ("bf16", 0.9995)])
def test_a_descriptor_does_not_depend_on_its_batch(precision: Precision, cosine: float) -> None:
    # In bfloat16 processors with matrix units take other kernels for other batches, which may flip a pixel of a mask.
    images = [picture(seed)[0] for seed in range(3)]
    made = load_backbone("embedded", precision=precision)
    for image, together in zip(images, made.embed(images), strict=True):
        (alone,) = made.embed([image])
        assert isinstance(together, ObjectView) and isinstance(alone, ObjectView)
        assert alone.descriptor @ together.descriptor > cosine
        if precision == "fp32":
            assert np.abs(alone.descriptor - together.descriptor).max() < 1e-5
            assert np.array_equal(alone.mask, together.mask)


def test_shapes_are_nearer_to_their_like() -> None:
    rng, makers = np.random.default_rng(5), {"chair": seats.four_leg_chair, "mug": vessels.mug}
    objects = {name: assemble(name, name, maker(rng)) for name, maker in makers.items()}
    shapes = [*objects] * 3
    views = backbone().embed([photograph(objects[name], rng).image for name in shapes])
    vectors = np.stack([view.descriptor for view in views if isinstance(view, ObjectView)])
    similarity = vectors @ vectors.T - 2 * np.eye(len(shapes))
    assert [shapes[nearest] for nearest in similarity.argmax(axis=1)] == shapes


def test_patches_follow_the_picture() -> None:
    crop = view_of(picture(3)[0]).crop
    features = backbone().patches(np.stack([crop, np.roll(crop, 56, axis=1)]))
    assert features.shape == (2, 384, 16, 16) and features.dtype == np.float32
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    here = (units[0, :, 4:12, 4:8] * units[1, :, 4:12, 8:12]).sum(axis=0).mean()
    elsewhere = (units[0, :, 4:12, 4:8] * units[1, :, 4:12, 12:16]).sum(axis=0).mean()
    assert here > elsewhere


def test_precision_hardly_moves_the_descriptor() -> None:
    image = picture(4)[0]
    exact = load_backbone("embedded", precision="fp32")
    (view,) = exact.embed([image])
    assert isinstance(view, ObjectView)
    assert view.descriptor @ view_of(image).descriptor > 0.99
    assert exact.fingerprint == backbone().fingerprint


@needs_gpu
def test_a_gpu_sees_what_the_processor_sees() -> None:
    pictures = [picture(seed)[0] for seed in range(4)]
    found = [load_backbone("embedded", device=device, precision="fp32").embed(pictures) for device in ("cpu", CUDA)]
    for exact, view in zip(*found, strict=True):
        assert isinstance(exact, ObjectView) and isinstance(view, ObjectView)
        assert float(exact.descriptor @ view.descriptor) > 0.995  # convolutions round to fewer digits there
        assert (exact.mask & view.mask).sum() > 0.98 * (exact.mask | view.mask).sum()
