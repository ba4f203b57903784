"""The benchmark of the stream: who runs when, what is counted, and what stands beside what."""

from __future__ import annotations

import io
import itertools
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.config import Config, load_config
from index.views import CROP_SIZE, ObjectView
from ops.bench.ingest import Settings, bare, rival
from ops.bench.ingest import turns as benchmark
from ops.bench.ingest.side import Side, scraped
from ops.bench.ingest.work import Work, decoded, from_argument, tallied
from ops.errors import RejectError, SourceError, StateError
from ops.synth.shards import write_shards

COUNTS = """
import os, sys, time
from ops.bench.ingest.work import Tally
tally = Tally(sys.argv[1])
while not os.path.exists(sys.argv[1] + ".end"):
    tally.add(2)
    time.sleep(0.001)
"""
PAGE = (
    b'shapelode_images_total 40.0\nshapelode_rejects_total{reason="a"} 2.0\nshapelode_rejects_total{reason="b"} 1.0\n'
)


class EnoughError(Exception):
    """Ends a loop that would go on for ever."""


class Encoder:
    """Refuses the second image of each batch; ends the process after two batches if it is told to."""

    dim = 3

    def __init__(self, batches: float = float("inf")) -> None:
        self.shown: list[int] = []
        self._batches = batches

    def embed(self, images: list[np.ndarray]) -> list[ObjectView | RejectError]:
        if len(self.shown) >= self._batches:
            raise EnoughError
        self.shown.append(len(images))
        crop, mask = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8), np.ones((CROP_SIZE, CROP_SIZE), bool)
        view = ObjectView(np.ones(3, np.float32), crop, mask, (0, 0, 9, 9), (9, 9), 0.5)
        return [RejectError("no_foreground", "") if number == 1 else view for number in range(len(images))]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = write_shards(tmp_path_factory.mktemp("crawl"), shapes=1, views=5, size=48, per_shard=3)
    return tuple(str(path) for path in sorted(folder.glob("*.tar")))


def work(shards: tuple[str, ...], folder: Path) -> Work:
    return Work(shards, str(folder), "embedded", "fp32", batch=2, workers=1, threads=1)


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Side]:
    tally = tmp_path / "tally"
    tally.mkdir()
    side = Side("counting", ["-c", COUNTS, str(tally)], partial(tallied, tally), tmp_path / "log")
    yield side
    side.close()
    assert side.processes() == []


def test_a_side_that_is_paused_stands_still_and_goes_on(counting: Side) -> None:
    counting.wait_until(10, 60)
    counting.pause()
    deadline = time.monotonic() + 20
    while {process.status() for process in counting.processes()} != {"stopped"}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    before, busy = counting.look(), counting.busy()
    time.sleep(0.05)
    assert counting.look() == before and counting.busy() == busy and busy["other"] > 0
    counting.resume()
    counting.wait_until(before + 10, 60)
    assert counting.done >= before + 10 > 20 - 1


def test_a_turn_ends_with_a_batch_and_counts_from_where_the_last_ended(counting: Side) -> None:
    counting.wait_until(2, 60)
    counting.pause()
    counting.look()
    spent = benchmark.take_turns([counting], 2, 0.05, lambda line: None)["counting"]
    assert len(spent.rates) == 2 and all(rate > 0 for rate in spent.rates)
    assert spent.images % 2 == 0 and spent.images >= 4 and spent.seconds >= 0.1 and set(spent.busy) == {"other"}


def test_a_side_that_comes_to_its_end_ends_the_benchmark(counting: Side, tmp_path: Path) -> None:
    counting.wait_until(2, 60)
    (tmp_path / "tally.end").touch()
    with pytest.raises(StateError, match="counting has come to the end of the shards"):
        benchmark.take_turns([counting], 1, 0.05, lambda line: None)


def test_a_side_that_fails_says_why(tmp_path: Path) -> None:
    side = Side("failing", ["-c", "raise SystemExit('no luck')"], lambda: 0, tmp_path / "log")
    side.wait_until(1, 60)
    with pytest.raises(StateError, match="failing ended with 1; the last it said: no luck"):
        side.check()
    side.close()
    hung = Side("hung", ["-c", "import time; time.sleep(600)"], lambda: 0, tmp_path / "log")
    with pytest.raises(StateError, match="hung: 0 of 1 images after 0 s"):
        hung.wait_until(1, 0.01)
    hung.close()


class Recorded:
    """Stands for a side; does as many images a second as it is told, by a clock of its own."""

    def __init__(self, name: str, images: int, log: list[str]) -> None:
        self.name, self.done = name, 0
        self._images, self._log = images, log

    def look(self) -> int:
        return self.done

    def wait_until(self, images: int, seconds: float) -> None:
        self.done += self._images

    def resume(self) -> None:
        self._log.append(self.name)

    def pause(self) -> None:
        self._log.append("-")

    def busy(self) -> dict[str, float]:
        return {"embedder": self.done * 0.010, "reader": self.done * 0.001}

    def ended(self) -> bool:
        return False

    def check(self) -> None:
        """Has not failed."""

    def close(self) -> None:
        self._log.append(f"{self.name} closed")


def test_sides_take_turns_alone_and_their_figures_stand_beside_what_is_to_be_reached(
    shards: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    speeds = {"bare encoder": 40, "daemon": 38, "Ray Data": 20}
    makers: list[Callable[[], Recorded]] = [partial(Recorded, name, images, log) for name, images in speeds.items()]
    monkeypatch.setattr(benchmark, "_sides", lambda *given: makers)
    ticks = itertools.count()
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: next(ticks)), "sleep": staticmethod(lambda s: None)})
    monkeypatch.setattr(benchmark, "time", clock)
    report = benchmark.run(Settings(shards, turns=2, seconds=0))
    assert log[:3] == ["-", "-", "-"]
    assert log[3:-3] == [
        "bare encoder", "-", "daemon", "-", "Ray Data", "-", "Ray Data", "-", "daemon", "-", "bare encoder", "-",
    ]  # fmt: skip
    assert len([line for line in log if line.endswith("closed")]) == 3
    measures = {measure.name: measure for measure in report.measures}
    over_bare = measures["images a second, over those of: bare encoder"]
    assert over_bare.value == pytest.approx(38 / 40) and over_bare.baselines == {"to reach": 0.95}
    assert measures["images a second, over those of: Ray Data"].value == pytest.approx(38 / 20)
    assert measures["of it: embedder, ms"].value == pytest.approx(10)
    assert measures["processor time of an image, ms"].value == pytest.approx(11)
    assert report.facts["daemon, images"] == 76


def started(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The command of each side by its name."""
    given: dict[str, list[str]] = {}
    monkeypatch.setattr(benchmark, "Side", lambda name, command, count, log: given.update({name: command}))
    for start in benchmark._sides(folder, settings, tuple(settings.shards)):
        start()
    return given


def test_each_side_is_given_the_same_shards_batches_and_precision(
    shards: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    given = started(Settings(shards, batch=5, precision="fp32", workers=2), tmp_path, monkeypatch)
    for name, workers, threads in (("bare encoder", 1, 6), ("Ray Data", 2, 3), ("Ray Data as it comes", 1, 0)):
        told = from_argument(given[name][-1])
        assert (told.shards, told.batch, told.precision) == (shards, 5, "fp32")
        assert (told.workers, told.threads) == (workers, threads)
    asked = " ".join(given["daemon"])
    assert all(f"--shards {shard}" in asked for shard in shards)
    assert "stream.batch_size=5" in asked and "backbone.precision=fp32" in asked and "recon.enabled=false" in asked
    assert len(benchmark._sides(tmp_path, Settings(shards, workers=0), shards)) == 2
    options = dict(option.removeprefix("--set=").split("=") for option in given["daemon"] if option.startswith("--set"))
    told, shipped = load_config(overrides=options, env={}), Config()
    assert told.backbone.batches_at_once == shipped.backbone.batches_at_once, "what is measured is what ships"
    assert told.backbone.embedders == shipped.backbone.embedders and told.stream.in_flight == shipped.stream.in_flight


def test_ray_data_alone_is_given_the_precision_that_was_asked_for_it(
    shards: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = started(Settings(shards, precision="bf16", rival_precision="fp32"), tmp_path, monkeypatch)
    told = {name: from_argument(command[-1]).precision for name, command in given.items() if name != "daemon"}
    assert told == {"bare encoder": "bf16", "Ray Data": "fp32", "Ray Data as it comes": "fp32"}
    assert "--set=backbone.precision=bf16" in given["daemon"]


def test_shards_that_are_not_there_are_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        benchmark.run(Settings([str(tmp_path / "*.tar")]))


def test_the_bare_encoder_goes_round_and_round_the_images_of_all_shards(
    shards: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(batches=5)
    monkeypatch.setattr(bare, "load_backbone", lambda name, precision: encoder)
    assert len(decoded(work(shards, tmp_path), 4)) == 4
    with pytest.raises(EnoughError):
        bare.main(work(shards, tmp_path).argument())
    assert encoder.shown == [2, 2, 1, 2, 2] and tallied(tmp_path) == 9


def test_ray_data_is_asked_for_descriptors_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.backbones.load_backbone", lambda name, precision: Encoder())
    describe = rival.Describe(work((), tmp_path).argument())
    found: dict[str, Any] = describe({"jpg": np.zeros((3, 4, 4, 3), np.uint8)})
    assert found["descriptor"].tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 1]] and tallied(tmp_path) == 3


def test_ray_data_describes_every_image_once(shards: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="Ray Data needs pandas and pyarrow: pip install '.[bench]'")
    pytest.importorskip("pyarrow")
    side = Side(
        "Ray Data", ["-m", "ops.bench.ingest.rival", work(shards, tmp_path).argument()], lambda: 0, tmp_path / "log"
    )
    side.wait_until(1, 300)
    side.check()
    (tmp_path / "log").unlink()
    assert tallied(tmp_path) == 5


def test_a_daemon_is_counted_by_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scraped("http://127.0.0.1:1/metrics") == 0, "nothing listens there"
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(PAGE))
    assert scraped("http://127.0.0.1:1/metrics") == 43
