from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from ops.bench.cluster import descriptors, stream
from ops.bench.cluster.descriptors import Described, describe
from ops.bench.cluster.offline import rivals
from ops.bench.cluster.run import Settings, run
from ops.bench.cluster.stream import agreement, follow
from ops.errors import SourceError
from ops.synth.shards import write_shards
from tests.test_index_backbones_base import BrightnessBackbone
from tests.test_index_clustering_base import blobs


def described(groups: int = 6, each: int = 30, noise: float = 0.05) -> Described:
    vectors, truth = blobs(groups=groups, each=each, noise=noise)
    return Described("blobs", vectors, truth, ("none", "none"))


class Backbone(BrightnessBackbone):
    fingerprint = "bright"

    def _describe(self, crops: torch.Tensor, masks: torch.Tensor, look: object) -> torch.Tensor:
        return torch.nn.functional.normalize(crops.float().mean(dim=(1, 2)) + 1, dim=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_shards(tmp_path / "toy", shapes=2, views=4, size=96)
    return tmp_path / "toy"


def test_descriptors_are_made_once_and_kept(data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first = describe(data, tmp_path / "kept", Backbone, told.append)
    assert told and first.vectors.shape == (len(first.truth), 3) and first.encoder == ("brightness", "bright")

    def never() -> Backbone:
        raise AssertionError("they are there")

    again = describe(data, tmp_path / "kept", never, told.append)
    assert np.array_equal(again.vectors, first.vectors) and np.array_equal(again.truth, first.truth)


@pytest.mark.parametrize("damage", ["torn", "foreign"])
def test_a_file_that_holds_something_else_is_refused(damage: str, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "toy.npz"
    describe(data, path.parent, Backbone, lambda _: None)
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:200])
    else:
        np.savez(path, keys=["stranger"], descriptors=np.eye(1), backbone="b", fingerprint="f")
    with pytest.raises(SourceError, match="delete it"):
        describe(data, path.parent, Backbone, lambda _: None)


def test_a_course_is_told_by_image_whatever_the_order() -> None:
    blob = described()
    order = np.random.default_rng(2).permutation(len(blob.vectors))
    one, other = follow(blob, np.arange(len(order))), follow(blob, order)
    assert agreement([one.repaired, other.repaired]) == 1.0 and agreement([one.repaired, blob.truth]) == 1.0
    assert one.kept is None


def test_names_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HORIZON", 64)
    monkeypatch.setattr(stream, "FIRST", 60)
    course = follow(described(each=50), np.arange(300))
    assert course.kept == course.kept_last == course.kept_repair == 1.0 and course.could_keep == 1.0


def test_what_becomes_another_cluster_is_not_kept() -> None:
    early, late = np.array([1, 1, 2, 2, -1]), np.array([1, 3, 2, -1, 4])
    assert stream._share_kept(early, late) == [0.5] and stream._share_kept(np.array([-1]), np.array([1])) == []
    assert stream._share_nameable(np.array([1, 1, 1, 2, -1]), np.array([0, 0, 5, 0, 5])) == 0.5


def test_offline_clusterings_are_scored_and_the_oracle_is_the_best() -> None:
    scores = rivals(described(noise=0.3), None)
    assert {"HDBSCAN", "k-means, true k", "linkage, best cut", "oracle"} <= set(scores)
    assert scores["oracle"].ari == max(score.ari for score in scores.values()) > 0.5


def test_one_table_of_all_folders(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("ops.bench.cluster.run")
    monkeypatch.setattr(module, "load_backbone", lambda name: Backbone())
    monkeypatch.setattr(module, "rivals", lambda *_: {})
    report = run([data], Settings(tmp_path / "kept", orders=2), lambda _: None)
    names = [measure.name for measure in report.measures]
    assert {"toy: ARI", "toy: NMI", "toy: agreement of orders, mean ARI"} <= set(names)
    report.write_json(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["facts"]["orders"] == 2


def test_progress_is_told_while_descriptors_are_made(data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    describe(data, tmp_path, Backbone, told.append)
    assert told[0].endswith("of 8 images") and descriptors._TOLD > 1
