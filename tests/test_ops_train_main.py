from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from index.backbones.foreground import ForegroundHead
from index.backbones.viewpoint import ViewpointHead
from ops.train.__main__ import main, save
from tests.tars import write_shard


def test_a_small_run_writes_weights_that_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shard(tmp_path / "0.tar", ["a", "b"])
    out = tmp_path / "head.safetensors"
    counts = ["--scenes", "16", "--real", "0", "--epochs", "1", "--out", str(out)]
    assert main(["foreground", "--photos", str(tmp_path / "0.tar"), *counts]) == 0
    assert str(out) in capsys.readouterr().out.replace("\n", "")
    ForegroundHead().load_state_dict({name: value.float() for name, value in load_file(out).items()})


def test_a_small_run_writes_a_viewpoint_head_that_loads(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", ["a", "b"])
    out = tmp_path / "head.safetensors"
    counts = ["--things", "8", "--epochs", "1", "--out", str(out)]
    assert main(["viewpoint", "--photos", str(tmp_path / "0.tar"), *counts]) == 0
    ViewpointHead().load_state_dict({name: value.float() for name, value in load_file(out).items()})


def test_photos_that_are_not_there_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["foreground", "--photos", str(tmp_path / "none-*.tar")]) != 0
    error = capsys.readouterr().err
    assert "error: " in error and "Traceback" not in error


def test_weights_are_kept_in_half_precision(tmp_path: Path) -> None:
    save(ForegroundHead(dim=8, layers=1), tmp_path / "head.safetensors")
    assert {value.dtype for value in load_file(tmp_path / "head.safetensors").values()} == {torch.float16}


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m ops.train foreground --photos" in capsys.readouterr().out
