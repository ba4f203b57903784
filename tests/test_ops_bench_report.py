from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ops.bench.report import Measure, Report

REPORT = Report(
    "furniture",
    [
        Measure("ARI", 0.5, "higher", {"k-means": 0.25, "nothing": 0.0}),
        Measure("Chamfer", 0.1, "lower", {"sphere": 0.4}),
        Measure("clusters", 12, "context"),
    ],
    {"images": 40},
)


def test_the_table_shows_ours_beside_each_baseline_with_the_ratio() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(REPORT.table())
    lines = console.export_text().splitlines()
    kmeans = next(line for line in lines if "k-means" in line)
    assert "ARI" in kmeans and "0.500" in kmeans and "0.250" in kmeans and "2.00" in kmeans
    assert "0.25" in next(line for line in lines if "sphere" in line).split("0.400")[1]
    assert any("clusters" in line and "12" in line for line in lines)
    assert any("images 40" in line for line in lines)


def test_ratios_to_zero_are_left_out() -> None:
    assert REPORT.measures[0].ratio("nothing") is None
    assert REPORT.measures[0].ratio("k-means") == pytest.approx(2)


def test_json_holds_every_figure(tmp_path: Path) -> None:
    REPORT.write_json(tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["facts"] == {"images": 40}
    assert found["measures"][0]["ratios"] == {"k-means": 2.0, "nothing": None}
    assert [m["value"] for m in found["measures"]] == [0.5, 0.1, 12]
