"""The benchmark of the capacity model: when a crawl is done, and how forecast and measurement are compared."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from ops.bench import capacity
from ops.bench.capacity import Mined, Settings, compare, render, run, watch
from ops.errors import StateError
from ops.synth.shapes import Shape
from tests.test_daemon_capacity import PAGE

MIB = 2**20


def page(images: int, recon_s: float = 0.3, running: int = 0) -> str:
    """Metrics of a run that took as long for each image, whatever its length; nothing was stored before it."""
    return f"""
shapelode_images_total {images}
shapelode_rejects_total 4
shapelode_stored_images {images}
shapelode_stage_seconds_sum{{stage="read"}} {0.02 * images}
shapelode_stage_seconds_sum{{stage="embed"}} {0.1 * images}
shapelode_stage_seconds_sum{{stage="commit"}} {0.01 * images}
shapelode_recon_device_seconds_total{{device="cpu"}} {recon_s * images}
shapelode_recon_jobs_total{{outcome="published"}} {images // 20}
shapelode_recon_running_jobs {running}
shapelode_versions_published_total {images // 20}
shapelode_store_held_bytes{{kind="images"}} {20000 * images}
shapelode_store_held_bytes{{kind="free"}} {3 * MIB}
shapelode_index_bytes {4104 * images}
shapelode_clusterer_bytes {5000 * images}
shapelode_process_memory_bytes{{process="miner"}} {200 * MIB + 9104 * images}
"""


def figures(sample: str, crawl: str, seconds: float) -> dict[str, Any]:
    mined = Mined(sample, 30.0)
    report = compare((mined, mined), Mined(crawl, seconds), Settings())
    return {measure.name: measure for measure in report.measures} | {"off": report.facts["furthest off"]}


def test_a_crawl_that_goes_on_as_it_began_is_forecast() -> None:
    found = figures(page(200), page(1000), seconds=300.0)
    assert found["time, s"].value == pytest.approx(300) and found["time, s"].baselines == {"measured": 300.0}
    assert found["disk, MB"].value == pytest.approx(20 + 3 * 1.048576) and found["versions"].value == pytest.approx(50)
    assert found["versions"].baselines == {"measured": 50, "give or take": pytest.approx(50 / 20**0.5)}
    assert found["memory of the writer, MB"].value == pytest.approx((200 * MIB + 9104 * 1000) / 1e6)
    assert found["furthest off, share of what was measured"].value == pytest.approx(0, abs=1e-9)


def test_what_is_furthest_off_is_told() -> None:
    found = figures(page(200), page(1000, recon_s=0.4), seconds=330.0)
    assert found["off"] == "reconstruction, s of a device"
    assert found["furthest off, share of what was measured"].value == pytest.approx(0.25)
    assert found["furthest off, share of what was measured"].baselines == {"to reach": 0.2}


def test_both_samples_count() -> None:
    halves = Mined(page(200, recon_s=0.3), 60.0), Mined(page(200, recon_s=0.5), 100.0)
    found = compare(halves, Mined(page(1000, recon_s=0.4), 400.0), Settings())
    figures = {measure.name: measure for measure in found.measures}
    assert figures["time, s"].value == pytest.approx(400)
    assert figures["memory of the writer, MB"].value == pytest.approx((200 * MIB + 9104 * 1000) / 1e6)
    assert figures["versions"].baselines["give or take"] == pytest.approx(50 / 20**0.5)
    assert found.facts["jobs of the samples"] == "published 20" and found.facts["jobs of the crawl"] == "published 50"
    assert found.facts["images measured"] == 400 and found.facts["seconds of the samples"] == "60, 100"


class Recorded:
    """A daemon whose metrics are given, one page a look; the last stays."""

    def __init__(self, *pages: str, code: int | None = None) -> None:
        self._pages = list(pages)
        self._code = code
        self.looks = 0

    def exit_code(self) -> int | None:
        return self._code

    def scrape(self) -> str:
        self.looks += 1
        return self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that passes in sleeps alone."""
    now = [0.0]
    told = {"monotonic": staticmethod(lambda: now[0]), "sleep": staticmethod(lambda s: now.__setitem__(0, now[0] + 1))}
    monkeypatch.setattr(capacity, "time", type("Clock", (), told))


@pytest.mark.usefixtures("clock")
def test_a_crawl_is_done_when_nothing_has_happened_for_a_while_and_nothing_is_about_to() -> None:
    daemon: Any = Recorded("", page(50), page(96), *[page(96, running=1)] * 20, page(96))
    found = watch(daemon, 100)
    assert found.text == page(96)
    assert found.seconds == 22, "the last that happened was the end of a reconstruction"
    assert daemon.looks == 23 + capacity._QUIET_S + 1


@pytest.mark.usefixtures("clock")
def test_a_daemon_that_ends_or_never_does_is_said() -> None:
    with pytest.raises(StateError, match="the daemon ended with 3"):
        watch(Recorded(PAGE, code=3), 1)  # type: ignore[arg-type]
    with pytest.raises(StateError, match="not done after 1800 s"):
        watch(Recorded(page(50)), 100)  # type: ignore[arg-type]


def test_each_shard_shows_objects_of_its_own_and_each_part_photos_of_its_own(tmp_path: Path) -> None:
    settings = Settings(objects=4, views=2)
    catalogue = capacity._parts(settings)["crawl"]
    for name, take in (("crawl", 0), ("sample", 1)):
        render(tmp_path / name, catalogue, take, settings)
    shards = [sorted((tmp_path / name).glob("*.tar")) for name in ("crawl", "sample")]
    assert [[shard.name for shard in some] for some in shards] == [["00000.tar", "00003.tar"]] * 2
    keys = [pictures(shard) for some in shards for shard in some]
    assert [len(one) for one in keys] == [6, 2] * 2 and len(set[str]().union(*keys)) == 16


def test_samples_show_the_objects_of_the_crawl_which_are_of_different_kinds() -> None:
    parts = capacity._parts(Settings(objects=5))
    names = {part: [shape.name for shape in some] for part, some in parts.items()}
    assert names["sample"] == ["000", "001"] and names["other sample"] == ["002", "003", "004"]
    assert names["crawl"] == names["sample"] + names["other sample"]
    assert (
        len({len(shape.vertices) for shape in parts["crawl"]}) == 5 and len(set(capacity.MAKERS)) == Settings().objects
    )


def pictures(shard: Path) -> set[str]:
    with tarfile.open(shard) as tar:
        return {name for name in tar.getnames() if name.endswith("jpg")}


def test_all_parts_are_mined_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []

    def rendered(folder: Path, catalogue: list[Shape], take: int, settings: Settings) -> None:
        done.append((folder.name, len(catalogue), take))

    def mine(folder: Path, part: str, samples: int, tell: object) -> Mined:
        done.append((part, samples))
        return Mined(page(samples), 0.3 * samples)

    monkeypatch.setattr(capacity, "render", rendered)
    monkeypatch.setattr(capacity, "mine", mine)
    report = run(Settings(objects=15, views=20, seed=7))
    other = "other sample"
    assert done == [
        ("sample", 7, 0), ("crawl", 15, 1), (other, 8, 2), ("sample", 140), ("crawl", 300), (other, 160)
    ]  # fmt: skip
    assert report.measures[-1].value == pytest.approx(0, abs=1e-9)
