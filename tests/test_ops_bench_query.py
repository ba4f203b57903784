from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.bench import query as benchmark
from ops.bench.query import Settings, run
from ops.bench.query_library import build

DIM = 12


class Encoder:
    """Counts what it is shown."""

    dim, fingerprint = DIM, "f" * 16

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def embed(self, images: list[np.ndarray]) -> list[None]:
        self.shown += [image.shape for image in images]
        return [None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Queries by image, as (folder, registered to) instead of over HTTP."""
    found: list[tuple[str, int]] = []

    @contextmanager
    def serving(folder: Path) -> Iterator[str]:
        yield f"http://{folder.name}"

    def ask(client: Any, raw: bytes, register: int) -> None:
        assert raw.startswith(b"\xff\xd8")
        found.append((client.base_url.host, register))

    monkeypatch.setattr(benchmark, "serving", serving)
    monkeypatch.setattr(benchmark, "_ask", ask)
    monkeypatch.setattr(benchmark, "_PICTURES", 1)
    return found


def test_figures_stand_beside_what_is_to_be_reached(
    asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder()
    monkeypatch.setattr(benchmark, "load_backbone", lambda name: encoder)
    report = run(Settings(images=300, queries=4, seconds=0.05))
    measures = {measure.name: measure for measure in report.measures}
    assert len(asked) == 4 + benchmark._WARM_UP == len(encoder.shown)
    assert encoder.shown[0] == (512, 512, 3)
    ratio = measures["image query p50, over the bare encoder's p50"]
    assert ratio.baselines["to reach"] == 1.3 and ratio.baselines["the bare encoder"] == pytest.approx(1)
    rate = measures["descriptors a second, one core, during ingest"]
    assert rate.baselines["to reach"] == 500 and rate.value > 0
    assert report.facts["queries by descriptor"] >= 1
    assert not any("registration" in name for name in measures)


def test_a_library_with_shapes_is_asked_to_register_too(
    asked: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "_WARM_UP", 0)
    measures = benchmark.by_image(tmp_path, Encoder(), Settings(queries=2, state=tmp_path), lambda line: None)  # type: ignore[arg-type]
    assert [register for _, register in asked] == [0, 0, 1, 1, 1]
    assert measures[-1].name == "with registration to one shape, ms"


def test_descriptors_are_asked_for_on_one_core_while_images_are_stored(tmp_path: Path) -> None:
    import os

    build(tmp_path, 300, DIM, ("embedded", "f" * 16))
    cores = os.sched_getaffinity(0)
    told: list[str] = []
    times, busy = benchmark.by_descriptor(tmp_path, DIM, Settings(images=300, seconds=0.3), told.append)
    assert times and min(times) > 0 and busy > 0
    assert os.sched_getaffinity(0) == cores
    assert int(told[0].split()[0].replace(",", "")) > 300  # the writer had begun before the first query
