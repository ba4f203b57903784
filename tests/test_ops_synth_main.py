from __future__ import annotations

from pathlib import Path

import pytest

from ops.synth.__main__ import main


def test_the_command_writes_shards_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--shapes", "2", "--views", "2", "--size", "32"]) == 0
    assert "4 images of 2 shapes" in capsys.readouterr().out
    assert (tmp_path / "shards" / "00000.tar").is_file()


def test_a_second_run_into_the_same_place_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path), "--shapes", "1", "--views", "1", "--size", "32"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and len(error.splitlines()) == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m ops.synth demo-data" in capsys.readouterr().out
