"""The scale benchmark on a tiny library: every figure is there, and means what it says."""

from __future__ import annotations

import json
import operator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import store as store_module
from index.library import open_library
from index.records import OUTLIER, MicroRecord
from index.search import SimilaritySearch
from index.store import Store
from index.tables import MICROS
from ops.bench import crowd_fill, scale
from ops.bench.crowd import BATCH, Crowd
from ops.bench.crowd_fill import COARSE, MORE, SMALL, WINDOW, Filled, kept_share, step
from ops.bench.crowd_writer import CrowdWriter
from ops.bench.scale import Settings, fill, in_turns, inserts, recall_of
from ops.errors import StateError
from tests.test_ops_bench_main import _call

TINY = Settings(vectors=1500, dim=24, seconds=0.2, river_s=0.2)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Filled]:
    folder = tmp_path_factory.mktemp("crowd")
    return folder, fill(folder, TINY, print)


def test_a_batch_depends_on_its_number_alone() -> None:
    crowd, other = Crowd(4000, 24, seed=3), Crowd(4000, 24, seed=3)
    assert np.array_equal(crowd.batch(7), other.batch(7)) and not np.array_equal(crowd.batch(7), crowd.batch(8))
    assert np.allclose(np.linalg.norm(crowd.batch(0), axis=1), 1, atol=1e-6)
    many = np.concatenate([crowd.batch(number) for number in range(10)])
    nearest = np.sort(many @ many.T, axis=1)[:, -2]
    assert 0.1 < np.mean(nearest > 0.99) < 0.5  # near-copies


def test_what_is_filled_is_a_library_that_goes_on(filled: tuple[Path, Filled], tmp_path: Path) -> None:
    folder, found = filled
    assert len(found.small) == len(found.full) == -(-TINY.vectors // BATCH) and found.longest >= max(found.full) * BATCH
    assert found.peak_mib > 20 and found.facts["index"] == "flat"
    library = open_library(folder)
    assert library.status().images == BATCH * (len(found.full) + 16) >= BATCH * len(found.full) + 1000
    assert 0.2 < found.kept <= 1 and np.isnan(found.kept_small)
    search = SimilaritySearch(library)
    queries = Crowd(TINY.vectors, TINY.dim).batch(5000, 20)
    assert recall_of(library, search, queries) == 1.0
    search._index.remove(np.arange(0, 1500, 2))  # type: ignore[union-attr]  # what a bad index would look like
    assert recall_of(library, search, queries) < 0.8
    asked, bare, threads = in_turns(search, queries, 0.1)
    assert len(asked) == len(bare) == len(threads) > 0
    library.close()


def test_a_map_that_has_to_grow_does_not_teach_a_batch_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(800, 24)

    def micros(folder: Path) -> list[MicroRecord]:
        writer = CrowdWriter(folder, 24)
        for number in range(12):
            writer.add(crowd.batch(number))
        writer.close()
        store = Store(folder, readonly=True)
        with store.read() as txn:
            found = list(txn.values(MICROS))
        store.close()
        return found

    whole = micros(tmp_path / "whole")
    monkeypatch.setattr(store_module, "_START_BYTES", 2**18)
    assert micros(tmp_path / "small") == whole and sum(record.count for record in whole) == 12 * BATCH


def test_members_that_keep_their_cluster_are_counted_and_outliers_are_not_members() -> None:
    before = np.array([1, 1, 2, OUTLIER, 3])
    assert kept_share(before, np.array([1, 4, 2, 7, OUTLIER, 1])) == 0.5
    assert np.isnan(kept_share(np.array([OUTLIER]), np.array([1])))


def test_a_writer_goes_on_where_another_has_ended(tmp_path: Path) -> None:
    crowd = Crowd(400, 24)
    for number in range(3):
        writer = CrowdWriter(tmp_path, 24)
        assert writer.images == BATCH * number
        writer.add(crowd.batch(number))
        writer.close()


def test_inserts_are_compared_with_a_small_library_and_a_young_stream() -> None:
    large = Filled([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [1.0, 1.0], [1.0, 2.0, 3.0], 0.0, 0.0, 0.0, 0.5, 0.9)
    small = Filled([], [2.0, 2.5, 9.0], [], [4.0], 0.0, 0.0, 0.0, 0.5, 0.9)
    measures = inserts(large, small)
    assert measures[0].value == 2.0 and measures[0].baselines == {"to reach": 1.5}
    assert measures[1].value == 0.5 and "processor" in measures[1].name
    assert measures[2].value == 2.5 and "stream was at 10,000" in measures[2].name
    assert [measures[at].value for at in (3, 5)] == [5000, 5000] and measures[5].name == "insert mean, ms"
    assert measures[3].baselines == {"library of 10,000": 2500, "stream at 10,000": 2000}
    resumed = inserts(replace(large, small=[], small_busy=[]), small)
    assert not any("stream" in each.name or "stream at 10,000" in each.baselines for each in resumed)


def test_batches_are_small_where_inserts_are_measured_alone() -> None:
    images, seen = 0, []
    while images < 100_000:
        seen.append((images, step(images, 100_000)))
        images += seen[-1][1]
    assert sum(size == BATCH for at, size in seen if at >= 100_000 - WINDOW * BATCH) == WINDOW
    assert sum(size == BATCH for at, size in seen if abs(at - SMALL) < WINDOW // 2 * BATCH) >= WINDOW - 2
    assert np.mean([size == COARSE for _, size in seen]) > 0.3 and len(seen) < 600
    assert {step(at, 1500) for at in range(0, 1500, BATCH)} == {BATCH} and MORE * BATCH >= 1000


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this process, since starting others takes seconds; the writer's turn is left to the benchmark itself.
    monkeypatch.setattr(scale, "_in_a_process", lambda work, folder, settings: work(folder, settings, print))
    monkeypatch.setattr(scale, "beside_ingest", lambda *_: [])
    for module in (scale, crowd_fill):
        monkeypatch.setattr(module, "SMALL", 320)
        monkeypatch.setattr(module, "WINDOW", 4)
    out = tmp_path / "figures.json"
    options = ("--vectors", 1000, "--dim", 16, "--river-s", 0.1, "--keep", tmp_path / "state", "--json", out)
    assert _call(monkeypatch, "scale", *options) == 0
    assert "DBSTREAM" in capsys.readouterr().out
    found = json.loads(out.read_text())
    names = [measure["name"] for measure in found["measures"]]
    assert "insert p50 over that of a library of 320" in names and found["facts"]["vectors"] == 1000
    assert any("when the stream was at" in name for name in names)
    assert _call(monkeypatch, "scale", *options) == 0  # it goes on with what is kept
    again = json.loads(out.read_text())
    assert not any("when the stream was at" in measure["name"] for measure in again["measures"])
    assert _call(monkeypatch, "scale", *options, "--seed", 1) == 1  # which is of another crowd


def test_a_fill_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="ended early"):
        scale._in_a_process(operator.not_, tmp_path, TINY)  # type: ignore[arg-type]  # it takes no three arguments


def test_two_writers_do_not_share_a_library(tmp_path: Path) -> None:
    writer = CrowdWriter(tmp_path, 16)
    with pytest.raises(StateError, match="in use"):
        CrowdWriter(tmp_path, 16)
    writer.close()
    CrowdWriter(tmp_path, 16).close()
