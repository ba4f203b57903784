"""A ViT in 8-bit integers: which layers are, what comes out beside float32, image by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from index.backbones import load_backbone
from index.backbones.embedded import EmbeddedBackbone
from index.backbones.foreground import TOKEN_LAYERS, layer_tokens
from index.backbones.quantised import QuantisedViT, quantised_blocks
from index.precision import Precision
from index.views import ObjectView
from ops.bench.masks import iou, uncrop
from ops.errors import BackboneError
from ops.synth.render import photograph
from ops.synth.shapes import make_shapes

DEPTH, DIM = max(TOKEN_LAYERS), 32
KINDS: tuple[Precision, Precision] = ("int8", "fp32")


@pytest.fixture(scope="module")
def vit() -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=28, patch_size=7, embed_dim=DIM, depth=DEPTH, num_heads=2, num_classes=0, dynamic_img_size=True
    ).eval()


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_every_linear_layer_takes_integers(vit: VisionTransformer) -> None:
    kinds = Counter(node.op_type for node in onnx.load_from_string(quantised_blocks(vit, TOKEN_LAYERS)).graph.node)
    assert kinds["MatMulInteger"] == kinds["DynamicQuantizeLinear"] == 4 * DEPTH
    assert kinds["MatMul"] == 2 * DEPTH, "queries with keys, and weights with values, of which neither is a layer"


@pytest.mark.parametrize("side", [28, 21])
def test_tokens_are_those_of_float32_whatever_stands_beside_them(
    vit: VisionTransformer, side: int, threads: int
) -> None:
    quantised = QuantisedViT(vit, TOKEN_LAYERS)
    images = torch.randn(5, 3, side, side, generator=torch.Generator().manual_seed(1))
    images[3] *= 50  # one scale for all would leave the others no digits
    with torch.inference_mode():
        found, exact = quantised(images), layer_tokens(vit, images)
        alone = quantised(images[1:2])
    assert len(found) == len(TOKEN_LAYERS)
    for coarse, true, single in zip(found, exact, alone, strict=True):
        assert coarse.shape == true.shape and coarse.dtype == torch.float32
        assert not torch.allclose(coarse, true, atol=1e-6)
        assert torch.cosine_similarity(coarse, true, dim=1).min() > 0.99
        assert torch.equal(coarse[1:2], single)


def test_the_backbone_sees_through_it_what_it_sees_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [photograph(shape, np.random.default_rng(3), 160).image for shape in make_shapes(2, 3)]
    coarse, exact = (EmbeddedBackbone(precision=kind) for kind in KINDS)
    assert coarse.fingerprint == exact.fingerprint and coarse.dim == exact.dim
    tokens, sizes = coarse._quantised, set[int]()
    assert tokens is not None and exact._quantised is None

    def told(inputs: Tensor) -> list[Tensor]:
        sizes.add(inputs.shape[-1])
        return tokens(inputs)

    monkeypatch.setattr(coarse, "_quantised", told)
    views = coarse.embed(pictures)
    assert len(sizes) == 2, "whole pictures in a coarse look, then objects in a full one"
    for view, true, single in zip(
        views, exact.embed(pictures), map(coarse.embed, [[one] for one in pictures]), strict=True
    ):
        assert isinstance(view, ObjectView) and isinstance(true, ObjectView) and isinstance(single[0], ObjectView)
        assert 0.97 < float(view.descriptor @ true.descriptor) < 1 - 1e-5
        assert iou(*(uncrop(one.mask, one.box, one.image_size) for one in (view, true))) > 0.9  # boxes move a little
        assert view.descriptor @ single[0].descriptor > 0.9995  # the rest may compute in bfloat16


def test_patch_features_are_not_quantised() -> None:
    crop = np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), np.uint8)
    found = [load_backbone("embedded", precision=kind).patches(crop) for kind in ("int8", "auto")]
    assert np.array_equal(*found)


def test_who_has_no_8_bits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match=r"dinov2.*only `embedded`.*auto"):
        load_backbone("dinov2", precision="int8")
    monkeypatch.setattr("index.backbones.base.find_device", lambda name: torch.device("cuda:0"))
    with pytest.raises(BackboneError, match=r"for processors, not for 'cuda:0'.*bf16"):
        load_backbone("embedded", device="cuda:0", precision="int8")
