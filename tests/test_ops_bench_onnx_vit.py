"""The ViT's blocks in ONNX Runtime: 8-bit integers in every linear layer, and what comes out beside torch's float32."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from index.backbones.embedded import EmbeddedBackbone
from index.backbones.foreground import TOKEN_LAYERS, layer_tokens
from index.views import ObjectView
from ops.bench.onnx_vit import OnnxInt8Backbone, quantised_blocks
from ops.synth.render import photograph
from ops.synth.shapes import make_shapes

DEPTH, DIM = max(TOKEN_LAYERS), 32


@pytest.fixture(scope="module")
def vit() -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(img_size=28, patch_size=7, embed_dim=DIM, depth=DEPTH, num_heads=2, num_classes=0).eval()


def test_every_linear_layer_takes_integers_and_tokens_are_those_of_float32(vit: VisionTransformer) -> None:
    model = quantised_blocks(vit)
    kinds = Counter(node.op_type for node in onnx.load_from_string(model).graph.node)
    assert kinds["MatMulInteger"] == kinds["DynamicQuantizeLinear"] == 4 * DEPTH
    assert kinds["MatMul"] == 2 * DEPTH, "queries with keys, and weights with values, of which neither is a layer"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for images, count in ((1, 5), (3, 17)):
        tokens = torch.randn(images, count, DIM)
        found = session.run(None, {"tokens": tokens.numpy()})
        assert len(found) == len(TOKEN_LAYERS)
        for layer, coarse in zip(TOKEN_LAYERS, found, strict=True):
            with torch.inference_mode():
                exact = vit.blocks[:layer](tokens)
            assert coarse.shape == exact.shape and not np.allclose(coarse, exact.numpy(), atol=1e-6)
            assert torch.cosine_similarity(torch.from_numpy(coarse), exact, dim=-1).min() > 0.99


def test_the_backbone_sees_through_it_what_it_sees_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photograph(make_shapes(1, 3)[0], np.random.default_rng(3), 160).image
    backbone, plain = OnnxInt8Backbone(), EmbeddedBackbone(precision="fp32")
    sizes: list[int] = []

    def tokens(inputs: Tensor) -> list[Tensor]:
        sizes.append(inputs.shape[-1])
        coarse, exact = OnnxInt8Backbone._tokens(backbone, inputs), layer_tokens(plain._vit, inputs)
        for one, other in zip(coarse, exact, strict=True):
            assert one.shape == other.shape and 0.9 < torch.cosine_similarity(one, other).mean() < 1 - 1e-5
        return coarse

    monkeypatch.setattr(backbone, "_tokens", tokens)
    (coarse,), (exact,) = backbone.embed([picture]), plain.embed([picture])
    assert len(set(sizes)) == 2, "the whole picture in a coarse look, then the object in a full one"
    assert isinstance(exact, ObjectView) and isinstance(coarse, ObjectView)
    assert 0.9 < float(exact.descriptor @ coarse.descriptor) < 1 - 1e-5
