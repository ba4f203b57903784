"""The blocks of a ViT in ONNX Runtime with 8-bit integers in their linear layers, and the embedded backbone on them."""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic
from torch import Tensor, nn

from index.backbones.compute import cast_once
from index.backbones.embedded import EmbeddedBackbone
from index.backbones.foreground import TOKEN_LAYERS

_OPSET = 17
_INPUT, _OUTPUTS = "tokens", [f"layer{layer}" for layer in TOKEN_LAYERS]


class _Blocks(nn.Module):
    """Tokens ``(N, T, D)`` as they enter the first block of a ViT in; those after each of `TOKEN_LAYERS` out."""

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self._blocks = blocks

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        found = []
        for number, block in enumerate(self._blocks, start=1):
            tokens = block(tokens)
            if number in TOKEN_LAYERS:
                found.append(tokens)
        return tuple(found)


def quantised_blocks(vit: Any) -> bytes:
    """The blocks of a timm ViT as an ONNX model whose linear layers take 8-bit integers, scaled as activations come."""
    with TemporaryDirectory() as folder:
        exact, ready, coarse = (Path(folder) / f"{name}.onnx" for name in ("exact", "ready", "coarse"))
        free = {0: "images", 1: "tokens"}
        sample = torch.zeros(2, vit.num_prefix_tokens + vit.patch_embed.num_patches, vit.embed_dim)
        with warnings.catch_warnings():
            # The exporter that torch would rather see used needs a package more.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                _Blocks(vit.blocks), (sample,), str(exact), dynamo=False, opset_version=_OPSET, input_names=[_INPUT],
                output_names=_OUTPUTS, dynamic_axes={name: free for name in (_INPUT, *_OUTPUTS)},
            )  # fmt: skip
        quant_pre_process(exact, ready)
        quantize_dynamic(ready, coarse, weight_type=QuantType.QInt8)
        return coarse.read_bytes()


class OnnxInt8Backbone(EmbeddedBackbone):
    """The embedded backbone with the blocks of its ViT in ONNX Runtime; for `embed` alone, on CPUs.

    The EfficientNet computes in bfloat16.
    """

    def __init__(self) -> None:
        super().__init__(device="cpu", precision="fp32")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        model = quantised_blocks(self._vit)
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._dtype = torch.bfloat16
        cast_once(self._dtype, self._net)

    def _tokens(self, inputs: Tensor) -> list[Tensor]:
        vit: Any = self._vit
        with torch.autocast("cpu", enabled=False):
            entering = vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(inputs))))
        found = self._session.run(_OUTPUTS, {_INPUT: entering.numpy()})
        height, width = vit.patch_embed.dynamic_feat_size(inputs.shape[-2:])
        patches = [tokens[:, vit.num_prefix_tokens :].reshape(len(tokens), height, width, -1) for tokens in found]
        return [torch.from_numpy(each).permute(0, 3, 1, 2) for each in patches]
