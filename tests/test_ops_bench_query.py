from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.library import open_library
from index.views import CROP_SIZE, ObjectView
from ops.bench import query as benchmark
from ops.bench.ball import publish_ball
from ops.bench.query import Settings, run
from ops.bench.query_library import build

DIM = 12


class Encoder:
    """Counts what it is shown."""

    dim, patch_dim, fingerprint = DIM, 7, "f" * 16

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def embed(self, images: list[np.ndarray]) -> list[ObjectView]:
        self.shown += [image.shape for image in images]
        descriptor = np.ones(DIM, np.float32) / DIM**0.5
        crop, mask = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8), np.ones((CROP_SIZE, CROP_SIZE), bool)
        return [ObjectView(descriptor, crop, mask, (0, 0, 9, 9), (9, 9), 0.5)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Queries by image, as (folder, registered to) instead of over HTTP."""
    found: list[tuple[str, int]] = []

    @contextmanager
    def serving(folder: Path) -> Iterator[str]:
        yield f"http://{folder.name}"

    def ask(client: Any, raw: bytes, register: int) -> bool:
        assert raw.startswith(b"\xff\xd8")
        found.append((client.base_url.host, register))
        return register > 0

    monkeypatch.setattr(benchmark, "serving", serving)
    monkeypatch.setattr(benchmark, "_ask", ask)
    monkeypatch.setattr(benchmark, "_PICTURES", 1)
    return found


def test_figures_stand_beside_what_is_to_be_reached(
    asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder()
    monkeypatch.setattr(benchmark, "load_backbone", lambda name: encoder)
    taken = iter([0.0, 0.0, 3.0, 7.0])  # before and after the warm-up and the queries
    monkeypatch.setattr(benchmark, "_children_busy", lambda: next(taken))
    report = run(Settings(images=300, queries=4, seconds=0.05))
    measures = {measure.name: measure for measure in report.measures}
    assert [register for _, register in asked] == [0] * (4 + benchmark._WARM_UP) + [1] * (3 + benchmark._WARM_UP)
    assert len(encoder.shown) == 4 + benchmark._WARM_UP + 1 and encoder.shown[0] == (512, 512, 3)
    ratio = measures["image query p50, over the bare encoder's p50"]
    assert ratio.baselines["to reach"] == 1.3 and ratio.baselines["the bare encoder"] == pytest.approx(1)
    assert measures["image query p99, over the bare encoder's p50"].baselines["to reach"] == 2
    assert measures["image query p99, over the bare encoder's p99"].baselines == {"to reach": 2}
    effort = measures["processor time of an image query, over the bare encoder's"]
    assert effort.value > 4  # 4 seconds for what an encoder that does nothing does in far less than one
    rate = measures["descriptors a second, one core, during ingest"]
    assert rate.baselines["to reach"] == 500 and rate.value > 0
    assert report.facts["queries by descriptor"] >= 1
    assert measures["with registration to one shape, ms"].value > 0


def test_the_made_up_library_has_a_shape_where_it_is_looked_for(tmp_path: Path) -> None:
    build(tmp_path, 300, DIM, ("embedded", "f" * 16))
    cluster = benchmark._nearest_cluster(tmp_path, Encoder(), benchmark._jpeg(0))  # type: ignore[arg-type]
    publish_ball(tmp_path, cluster, 7)
    library = open_library(tmp_path)
    assert library.cluster(cluster).version == 1 and library.shape(cluster).verdict == "shape"
    library.close()


def test_descriptors_are_asked_for_on_one_core_while_images_are_stored(tmp_path: Path) -> None:
    import os

    build(tmp_path, 300, DIM, ("embedded", "f" * 16))
    cores = os.sched_getaffinity(0)
    told: list[str] = []
    times, busy = benchmark.by_descriptor(tmp_path, DIM, Settings(images=300, seconds=0.3), told.append)
    assert times and min(times) > 0 and busy > 0
    assert os.sched_getaffinity(0) == cores
    assert int(told[0].split()[0].replace(",", "")) > 300  # the writer had begun before the first query


def test_p99_stands_beside_the_encoders_p50_and_its_own_p99() -> None:
    bare, asked = [1.0] * 98 + [4.0, 4.0], [1.5] * 98 + [6.0, 6.0]
    found = benchmark._over_the_encoder(benchmark._Turns(bare, asked, 1.0, 1.0), 1.0)
    assert [measure.value for measure in found] == pytest.approx([1.5, 6.0, 1.5])
    assert found[1].baselines["the bare encoder"] == pytest.approx(4)
