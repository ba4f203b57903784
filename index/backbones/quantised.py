"""A ViT whose linear layers compute with 8-bit integers, in ONNX Runtime, for processors.

Weights are scaled by output channel, activations by image as they come (dynamic quantisation), so that what is seen in
an image does not depend on the images beside it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic
from torch import Tensor, nn

_OPSET = 17
_INPUT = "tokens"


class _Blocks(nn.Module):
    """Tokens ``(N, T, D)`` as they enter the first block of a ViT in; those after each of some layers out."""

    def __init__(self, blocks: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self._blocks, self._layers = blocks, layers

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        found = []
        for number, block in enumerate(self._blocks, start=1):
            tokens = block(tokens)
            if number in self._layers:
                found.append(tokens)
        return tuple(found)


def quantised_blocks(vit: Any, layers: Sequence[int]) -> bytes:
    """The blocks of a timm ViT in float32 as an ONNX model with 8-bit linear layers.

    Args:
        vit: the network.
        layers: blocks, counted from 1 and ascending, whose tokens are its outputs.
    """
    with TemporaryDirectory() as folder:
        exact, ready, coarse = (Path(folder) / f"{name}.onnx" for name in ("exact", "ready", "coarse"))
        names = [f"layer{layer}" for layer in layers]
        free = {0: "images", 1: "tokens"}
        sample = torch.zeros(2, vit.num_prefix_tokens + vit.patch_embed.num_patches, vit.embed_dim)
        with warnings.catch_warnings():
            # The exporter that torch would rather see used needs a package more.
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(
                _Blocks(vit.blocks, layers), (sample,), str(exact), dynamo=False, opset_version=_OPSET,
                input_names=[_INPUT], output_names=names, dynamic_axes={name: free for name in (_INPUT, *names)},
            )  # fmt: skip
        quant_pre_process(exact, ready)
        quantize_dynamic(ready, coarse, weight_type=QuantType.QInt8, per_channel=True)
        return coarse.read_bytes()


class QuantisedViT:
    """The patch tokens of a timm ViT after some of its blocks, computed with 8-bit integers.

    Args:
        vit: the network in float32; its embedding of patches is used as it is, its blocks are copied.
        layers: blocks, counted from 1 and ascending, that are read.
    """

    def __init__(self, vit: Any, layers: Sequence[int]) -> None:
        self._vit = vit
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # images are what threads share, see `_run`
        model = quantised_blocks(vit, layers)
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: Tensor) -> list[Tensor]:
        """Tokens ``(N, C, G, G)`` float32 after each of the layers, of normalised images ``(N, 3, S, S)``."""
        vit = self._vit
        entering = vit.norm_pre(vit.patch_drop(vit._pos_embed(vit.patch_embed(inputs)))).float().numpy()
        height, width = vit.patch_embed.dynamic_feat_size(inputs.shape[-2:])
        return [
            torch.from_numpy(tokens[:, vit.num_prefix_tokens :].reshape(len(tokens), height, width, -1)).movedim(-1, 1)
            for tokens in self._run(entering)
        ]

    def _run(self, entering: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Image by image, which are scaled one by one then, in as many threads as torch would take."""

        def one(number: int) -> list[NDArray[np.float32]]:
            found: list[NDArray[np.float32]] = self._session.run(None, {_INPUT: entering[number : number + 1]})
            return found

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            runs = list(pool.map(one, range(len(entering))))
        return [np.concatenate(layer) for layer in zip(*runs, strict=True)]
