from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from daemon.atlas import Atlas, project
from index.library import open_library
from tests.library_factory import Plan, make_library


def cloud(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, 12)) * np.array([5, 3, *[0.1] * 10])).astype(np.float32)


def test_places_are_the_principal_components_at_one_scale() -> None:
    vectors = cloud(50)
    places, explained = project(vectors)
    exact = PCA(2, svd_solver="full").fit(vectors)
    wanted = exact.transform(vectors)
    ratio = places / wanted
    assert np.abs(ratio) == pytest.approx(np.full((50, 2), 1 / np.abs(wanted).max()), rel=1e-3)
    assert np.abs(places).max() == pytest.approx(1) and explained == pytest.approx(
        exact.explained_variance_ratio_.sum(), rel=1e-3
    )


@pytest.mark.parametrize("vectors", [np.zeros((0, 0)), np.ones((1, 4)), np.ones((5, 4))])
def test_what_does_not_differ_lies_in_the_middle(vectors: np.ndarray) -> None:
    places, explained = project(vectors.astype(np.float32))
    assert places.shape == (len(vectors), 2) and not places.any() and explained == 1.0


def test_two_clusters_lie_on_a_line() -> None:
    places, _ = project(np.eye(2, 4, dtype=np.float32))
    assert sorted(places[:, 0].tolist()) == [-1, 1] and np.abs(places[:, 1]).max() < 1e-5


def test_the_map_shows_the_largest_clusters_of_all(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path))
    drawn = Atlas(library, most=2)()
    assert [(point.cluster, point.size, point.version) for point in drawn.points] == [(1, 6, 2), (2, 4, 1)]
    assert drawn.clusters == 3 and 0.99 < drawn.explained <= 1.0001
    library.close()


def test_it_is_drawn_anew_only_once_the_library_changed_and_some_time_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = open_library(make_library(tmp_path, Plan(sizes=(6, 4, 3), versions=(1, 1, 1))))
    now, change = [100.0], [7]
    monkeypatch.setattr("daemon.atlas.time.monotonic", lambda: now[0])
    monkeypatch.setattr(library, "last_change", lambda: change[0])
    atlas = Atlas(library, fresh_s=20.0)
    first = atlas()
    now[0] += 100
    assert atlas() is first, "nothing has changed"
    change[0] = 8
    second = atlas()
    assert second is not first
    change[0] = 9
    now[0] += 19
    assert atlas() is second, "it was drawn a moment ago"
    now[0] += 2
    assert atlas() is not second
    library.close()


def test_axes_go_on_pointing_where_they_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = open_library(make_library(tmp_path, Plan(sizes=(6, 4, 3), versions=(1, 1, 1))))
    changes = iter(range(9))
    monkeypatch.setattr(library, "last_change", lambda: next(changes))
    atlas = Atlas(library, fresh_s=0.0)
    first = atlas()
    monkeypatch.setattr("daemon.atlas.project", lambda vectors: (-project(vectors)[0], project(vectors)[1]))
    second = atlas()
    assert [point.x for point in second.points] == pytest.approx([point.x for point in first.points])
    assert [point.y for point in second.points] == pytest.approx([point.y for point in first.points])
    library.close()
