"""The curve of a library's worth, from its feed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trimesh

from index.summaries import ChangeSummary
from ops.bench import rebuilt as baseline
from ops.bench.cluster.descriptors import Described
from ops.bench.curve import area, curve, diluted, measures_of, rises, run
from ops.bench.rebuilt import Settings, doublings
from ops.bench.truth import load_truth
from ops.bench.worth import Held, Point
from ops.synth.shards import write_shards
from tests.bench_library import write_library


def change(kind: str, at: int, cluster: int | None = None, version: int | None = None, **more: Any) -> ChangeSummary:
    others = more.get("others", ())
    return ChangeSummary(0, kind, at, 100.0 + more.get("time", 0), cluster, others, version, 0, "", at, 0, 0, 0.0)


def test_each_change_leaves_what_is_published_then() -> None:
    worth = {(1, 1): Held(10, 0.5, 5), (1, 2): Held(20, 1.0, 15), (2, 1): Held(10, 0.2, 0)}

    def held(of: ChangeSummary) -> Held:
        if of.kind == "registered":
            return Held(30, 0.2, 9)
        return worth.get((of.cluster or 0, of.version or 0), Held(0, 0.0, 0))

    points = curve(
        [
            change("images", 20),
            change("published", 20, 1, 1, time=3),
            change("published", 40, 2, 1),
            change("published", 40, 1, 2, time=9),
            change("registered", 60, 2, 1),
            change("merged", 40, 1, others=(2,)),
            change("rolled_back", 40, 1, 3),
            change("dissolved", 40, 1),
        ],
        held,
    )
    assert [point.images for point in points] == [20, 20, 40, 40, 60, 40, 40, 40]
    assert [point.fscore for point in points] == pytest.approx([0, 0.25, 7 / 40, 22 / 40, 26 / 60, 0.5, 0, 0])
    assert [point.right for point in points] == pytest.approx([0, 0.25, 5 / 40, 15 / 40, 24 / 60, 15 / 40, 0, 0])
    assert [point.seconds for point in points][:4] == [0, 3, 0, 9]


def test_the_area_is_the_mean_height() -> None:
    assert area([(0, 0.0), (50, 1.0)], 100) == pytest.approx(0.5)
    assert area([(10, 0.4)], 20) == pytest.approx(0.2)
    assert area([(0, 0.5), (90, 9.0), (200, 100.0)], 90) == pytest.approx(0.5), "what lies beyond the end is left out"
    assert area([], 0) == 0


def test_what_is_held_is_diluted_by_images_that_come_without_a_shape() -> None:
    assert diluted([(0, 0.0), (50, 1.0)], 100) == pytest.approx(0.5 * np.log(2))
    every = [(image, 50 / image) for image in range(50, 100)]
    assert diluted(every, 100) == pytest.approx(0.5 * np.log(2)), "however often one looks"
    assert diluted([(10, 0.4), (20, 0.2), (20, 0.8)], 40) == pytest.approx((4 + 16) * np.log(2) / 40)
    assert diluted([(40, 0.4), (80, 0.9)], 40) == 0 and diluted([], 0) == 0


def test_a_level_that_rises_is_counted_unless_a_person_chose_it() -> None:
    def version(cluster: int, level: float, judge: str = "held_out", outcome: str = "published") -> Any:
        return SimpleNamespace(id=cluster, level=level, judge=judge, outcome=outcome)

    falling = [version(1, 0.5), version(2, 0.7), version(1, 0.4), version(1, 0.9, outcome="candidate")]
    assert rises(falling) == 0
    assert rises([*falling, version(1, 0.45, judge="person")]) == 0
    assert rises([*falling, version(1, 0.45), version(2, 0.71)]) == 2


def test_the_baseline_stands_beside_each_figure_it_has() -> None:
    ours, theirs = [Point(0, 0, 0.0, 0.0), Point(80, 60, 0.6, 0.5)], [Point(0, 0, 0, 0), Point(80, 200, 0.3, 0.25)]
    versions: list[Any] = [SimpleNamespace(id=1, level=0.5, judge="fit", outcome="published")]
    alone, beside = measures_of(ours, versions, 20.0, None), measures_of(ours, versions, 20.0, theirs)
    assert not any(measure.baselines for measure in alone)
    ratios = {measure.name: measure.ratio(name) for measure in beside for name in measure.baselines}
    assert ratios["F-score of all images at the end"] == pytest.approx(2)
    assert ratios["seconds of reconstruction"] == pytest.approx(0.1)


def test_doublings_end_with_all_images() -> None:
    assert doublings(30, 100) == [30, 60, 100]
    assert doublings(50, 100) == [50, 100]
    assert doublings(200, 100) == [100]


def test_a_perfect_library_is_worth_everything_and_the_baseline_is_rebuilt_of_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(tmp_path, shapes=2, views=8, size=96)
    truth = load_truth(tmp_path)
    write_library(tmp_path / "state", truth)
    asked: list[int] = []

    def perfect(views: Any, *given: Any, **more: Any) -> Any:
        asked.append(len(views))
        cameras = SimpleNamespace(weight=np.ones(len(views)), R=np.tile(np.eye(3), (len(views), 1, 1)))
        ball = trimesh.creation.icosphere(radius=0.4)
        shape = SimpleNamespace(cameras=cameras, mesh=SimpleNamespace(vertices=ball.vertices, faces=ball.faces))
        return SimpleNamespace(shape=shape, ids=views)

    monkeypatch.setattr(baseline, "load_backbone", lambda name, device: SimpleNamespace(fingerprint="f"))
    monkeypatch.setattr(baseline, "make_views", lambda encoder, ids, crops, masks: ids)
    monkeypatch.setattr(baseline, "reconstruct", perfect)
    monkeypatch.setattr(baseline, "_clusters", lambda described, *given: [list(range(0, len(described.vectors), 2))])
    told: list[str] = []
    report = run(tmp_path, tmp_path / "state", Settings(first=4, max_views=6), told.append)
    figures = {measure.name: measure for measure in report.measures}
    assert figures["F-score of all images at the end"].value > 0.95
    assert figures["cameras < 30° of all images at the end"].value == 1
    assert figures["versions whose level rose"].value == 0
    assert asked == [2, 4, 6] and len(told) == 3
    assert 0 < figures["F-score of all images at the end"].baselines["rebuilt at every doubling"] < 0.5
    assert run(tmp_path, tmp_path / "state", None, told.append).measures[0].baselines == {}


def test_without_meshes_cameras_alone_are_judged_by_category(tmp_path: Path) -> None:
    write_shards(tmp_path, shapes=2, views=8, size=96)
    write_library(tmp_path / "state", load_truth(tmp_path))
    for mesh in tmp_path.rglob("*.ply"):
        mesh.unlink()
    names = [measure.name for measure in run(tmp_path, tmp_path / "state", None, lambda line: None).measures]
    assert "cameras < 30° of all images at the end" in names
    assert not any("F-score" in name for name in names)


def test_clusters_of_the_baseline_are_what_a_new_clusterer_makes() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(24)[[0, 5, 11]]
    rows = np.repeat(np.arange(3), [30, 30, 5])
    rows = rng.permutation(rows)
    vectors = (centres[rows] + 0.1 * rng.normal(size=(65, 24))).astype(np.float32)
    found = baseline._clusters(Described("", vectors, rows, ("none", "none")), "linkage", 16)
    assert sorted(sorted(set(rows[members].tolist())) for members in found) == [[0], [1]]
    assert min(map(len, found)) >= 25
