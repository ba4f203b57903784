from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.bench.__main__ import main
from ops.bench.fault_table import FaultRow, FaultSection
from ops.bench.truth import load_truth
from ops.synth.shards import write_shards
from tests.bench_library import write_library


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["ops.bench", *(str(argument) for argument in arguments)])
    try:
        return main()
    except SystemExit as stop:
        return int(stop.code or 0)


def test_furniture_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(tmp_path, shapes=2, views=8, size=96)
    write_library(tmp_path / "state", load_truth(tmp_path))
    out = tmp_path / "figures.json"
    assert _call(monkeypatch, "furniture", "--data", tmp_path, "--state", tmp_path / "state", "--json", out) == 0
    printed = capsys.readouterr().out
    assert "ARI" in printed and "k-means" in printed and "sphere" in printed
    assert json.loads(out.read_text())["measures"][0]["name"] == "ARI"


@pytest.mark.parametrize("losses", [0, 1])
def test_kills_write_their_section_and_fail_if_anything_was_lost(
    losses: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def run(*arguments: object) -> list[FaultSection]:
        asked.extend(arguments[:4])
        return [FaultSection("Kills", str(arguments[3]), [], [FaultRow("SIGKILL", "somewhere", 5, losses)])]

    monkeypatch.setattr("ops.bench.commands.faults.run_kills", run)
    page, out = tmp_path / "faults.md", tmp_path / "faults.json"
    options = ("--kills", 5, "--daemon-kills", 0, "--seed", 3, "--work", tmp_path, "--write", page, "--json", out)
    assert _call(monkeypatch, "kills", *options) == losses
    command = "python -m ops.bench kills --kills 5 --daemon-kills 0 --seed 3"
    assert asked == [tmp_path, (5, 0), 3, command]
    assert command in page.read_text() and "SIGKILL" in capsys.readouterr().out
    assert json.loads(out.read_text())[0]["rows"][0]["fired"] == 5


def test_wrong_paths_are_one_line_and_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "furniture", "--data", tmp_path, "--state", tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: no truth") and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["furniture", "reconstruct", "kills", "fuzz", "ingest", "memory", "capacity", "precision"]
)
def test_every_benchmark_explains_itself_with_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, name, "--help") == 0
    assert f"example: python -m ops.bench {name}" in capsys.readouterr().out
