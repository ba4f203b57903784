from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from ops.errors import ReconstructionError
from recon import Reconstruction, register
from tests.recon_scene import cold_result, make_scene


def test_bytes_round_trip() -> None:
    _, result = cold_result()
    blob = result.to_bytes()
    back = Reconstruction.from_bytes(blob)
    assert back.to_bytes() == blob
    assert len(blob) < 4_000_000
    assert result.shape is not None and back.shape is not None
    assert back.shape.quality == result.shape.quality
    assert np.array_equal(back.shape.cameras.R, result.shape.cameras.R)
    assert back.shape.field.density.any() and np.array_equal(back.shape.field.density, result.shape.field.density)
    assert back.verdict == result.verdict and back.reason == result.reason


def test_a_stored_shape_still_registers_the_same() -> None:
    _, result = cold_result()
    views = make_scene(4, seed=3).views
    a, b = register(views, result), register(views, Reconstruction.from_bytes(result.to_bytes()))
    assert np.allclose(a.R, b.R, atol=0.05)


def test_no_shape_round_trip() -> None:
    empty = Reconstruction("thin_evidence", "nothing there", np.array([3, 5]), None)
    back = Reconstruction.from_bytes(empty.to_bytes())
    assert back.shape is None and back.verdict == "thin_evidence" and back.ids.tolist() == [3, 5]


@pytest.mark.parametrize("blob", [b"", b"not safetensors at all", save({"ids": np.zeros(1)})])
def test_damaged_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(ReconstructionError, match="cannot be read"):
        Reconstruction.from_bytes(blob)


def test_another_schema_is_refused() -> None:
    blob = save({"ids": np.zeros(1)}, {"reconstruction": '{"schema": 99}'})
    with pytest.raises(ReconstructionError, match="schema 99"):
        Reconstruction.from_bytes(blob)


def test_a_shape_that_was_stored_without_a_density_is_read() -> None:
    _, result = cold_result()
    arrays = load(result.to_bytes())
    raw = result.to_bytes()
    meta = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    blob = save({name: array for name, array in arrays.items() if name != "field.density"}, meta)
    back = Reconstruction.from_bytes(blob)
    assert back.shape is not None and back.shape.field.density.size == 0
