from __future__ import annotations

from pathlib import Path

import pytest

from ops.bench.furniture import run
from ops.bench.report import Measure, Report
from ops.bench.truth import load_truth
from ops.errors import StateError
from ops.synth.shards import write_shards
from tests.bench_library import write_library


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_shards(folder, shapes=3, views=8, size=96)
    return folder


def _run(data: Path, state: Path, strays: int) -> tuple[Report, dict[str, Measure]]:
    write_library(state, load_truth(data), strays)
    report = run(data, state)
    return report, {measure.name: measure for measure in report.measures}


def test_a_perfect_library_is_measured_as_such(data: Path, tmp_path: Path) -> None:
    report, found = _run(data, tmp_path, strays=0)
    assert found["ARI"].value == found["purity of clusters"].value == 1
    assert found["ARI"].baselines["k-means, true k"] == 1
    assert found["clusters"].value == 3
    assert found["mask IoU, all"].value > 0.95 > found["mask IoU, all"].baselines["whole image"]
    assert found["mask IoU, plain"].value > 0.95
    assert found["rotation error, median °"].value < 0.1
    assert found["rotation error, median °"].baselines["random poses"] > 60
    assert found["F-score at 0.05"].value > 0.99 > found["F-score at 0.05"].baselines["oracle hull"]
    assert report.facts["images"] == "24 of 24"
    assert report.facts["published shapes"] == report.facts["true shapes found"] == 3


def test_images_in_no_cluster_cost(data: Path, tmp_path: Path) -> None:
    report, found = _run(data, tmp_path, strays=9)
    assert found["ARI"].value < 0.7
    assert found["images in clusters"].value == pytest.approx(15 / 24)
    assert report.facts["images under a published shape, share"] == pytest.approx(15 / 24)


def test_data_without_masks_cameras_and_meshes_are_measured_as_far_as_they_go(data: Path, tmp_path: Path) -> None:
    truth = load_truth(data)
    write_library(tmp_path / "state", truth)
    bare = tmp_path / "bare"
    bare.mkdir()
    lines = [f'{{"key": "{key}", "category": "{i.shape}"}}\n' for key, i in truth.images.items()]
    (bare / "truth.jsonl").write_text("".join(lines))
    names = [measure.name for measure in run(bare, tmp_path / "state").measures]
    assert "ARI" in names
    assert not [name for name in names if "IoU" in name or "rotation" in name or "Chamfer" in name]


def test_a_missing_state_is_one_clear_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no Shapelode state directory"):
        run(data, tmp_path / "nowhere")
