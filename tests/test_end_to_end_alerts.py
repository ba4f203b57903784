"""Every alert fires where its fault is caused for real, and only there; a healthy daemon keeps all of them silent.

Small daemons, one well and each of the others with one fault, are watched by one Prometheus. The rules are those of
the repository with all of their times divided by `PACE`, so that an hour takes some seconds.
"""

from __future__ import annotations

import multiprocessing
import re
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ops.bench.kills.stream import write_stream
from tests.alert_faults import FEW, SCENES, serve
from tests.disk import tiny_disk
from tests.prometheus import RULES, Prometheus, needs_prometheus, scraping
from tests.tars import add_sample
from tests.test_ops_prometheus import rules
from tests.waiting import eventually

pytestmark = needs_prometheus
PACE = 100  # faster, and a machine that is busy answers no scrape in time
SCRAPE_MS = 800
LONG_S = 50.0  # in which each alert on a daemon with shapes would have fired, at this pace
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FIRES = {
    "well": set(),
    "opened_again": set(),
    "hung_encoder": {"ShapelodeIngestStalled"},
    "full_disk": {"ShapelodeDiskHoldsUp"},
    "broken_images": {"ShapelodeRejectsSpiking"},
    "failing_reconstructions": {"ShapelodeReconFailing"},
    "index_that_forgets": {"ShapelodeIndexStale", "ShapelodeIndexRecallLow", "ShapelodeNotReady"},
    "index_that_is_not_saved": {"ShapelodeIndexNotSaved"},
    "slow_writer": {"ShapelodeQueueSaturated"},
    "small_map": {"ShapelodeMapNearlyFull"},
    "small_disk": {"ShapelodeDiskNearlyFull"},
    "worse_shapes": {"ShapelodeQualityFalling"},
    "slow_reconstructions": {"ShapelodeReconBacklog"},
    "another_stream": {"ShapelodeStreamDrifted"},
}
# What a fault brings with it: a stream that waits for its disk does stand still.
AS_WELL = {"full_disk": {"ShapelodeIngestStalled", "ShapelodeQueueSaturated"}}


def sooner(text: str) -> str:
    """A duration, such as ``5m``, divided by `PACE`."""
    return f"{max(1, round(1000 * int(text[:-1]) * UNITS[text[-1]] / PACE))}ms"


def hurried(path: Path, folder: Path) -> Path:
    """A copy of a file of rules in which all times are shorter."""
    content = yaml.safe_load(path.read_text())
    for rule in content["groups"][0]["rules"]:
        expr = re.sub(r"(?<=\[)\d+[smhd](?=\])|(?<=offset )\d+[smhd]", lambda found: sooner(found[0]), rule["expr"])
        rule["expr"] = re.sub(r"\b3600\b", str(3600 / PACE), expr)
        if rule.get("alert") == "ShapelodeDown":
            # Two minutes are eight scrapes in earnest; fewer a busy machine may well miss.
            rule["for"] = f"{8 * SCRAPE_MS}ms"
        elif "for" in rule:
            rule["for"] = sooner(rule["for"])
    copy = folder / path.name
    copy.write_text(yaml.safe_dump(content))
    return copy


class Running(NamedTuple):
    """A daemon in a process of its own, whose fault waits for a message, and the address of its metrics."""

    address: str
    go: Connection


@contextmanager
def running(scene: str, folder: Path, shards: list[str]) -> Iterator[Running]:
    # Not forked from the tests' own process: where that has computed in parallel, a child waits for threads it lacks.
    clean = multiprocessing.get_context("forkserver")
    clean.set_forkserver_preload(["tests.alert_faults"])
    ours, theirs = clean.Pipe()
    process = clean.Process(target=serve, args=(scene, folder, shards, theirs), daemon=True)
    process.start()
    try:
        assert ours.poll(120), f"{scene} did not start"
        yield Running(ours.recv(), ours)
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("crawl")
    shards = write_stream(folder, shards=12, per_shard=64)
    with tarfile.open(folder / "broken.tar", "w") as tar:
        for number in range(1024):
            add_sample(tar, f"{number:04d}", b"\xff\xd8 no picture")
    return shards


def test_the_scenes_fire_every_alert_there_is() -> None:
    assert set(FIRES) == set(SCENES)
    assert set.union(*FIRES.values()) | {"ShapelodeDown"} == set(rules("alert"))


def test_every_alert_fires_on_its_fault_and_only_there(crawl: list[str], tmp_path: Path) -> None:
    hurry = [hurried(path, tmp_path) for path in RULES]
    with ExitStack() as stack:
        folders = {scene: tmp_path / scene for scene in SCENES}
        stack.enter_context(tiny_disk(folders["small_disk"], 16))
        daemons = {scene: stack.enter_context(running(scene, folders[scene], crawl)) for scene in SCENES}
        scenes = {daemon.address: scene for scene, daemon in daemons.items()}
        doomed = ExitStack()
        gone = doomed.enter_context(running("hung_encoder", tmp_path / "doomed", crawl)).address
        server = stack.enter_context(scraping(tmp_path, [*scenes, gone], hurry, f"{SCRAPE_MS}ms"))
        eventually(lambda: len(server.query("up == 1")) == len(scenes) + 1, "all daemons to be scraped", 180)
        # What broke before Prometheus looked, it would never see as having risen.
        for daemon in daemons.values():
            daemon.go.send("go")
        doomed.close()
        for address, scene in scenes.items():
            wanted = FIRES[scene]
            eventually(lambda: wanted <= fired(server, address), f"{scene}: {wanted}", 240)  # noqa: B023
        eventually(lambda: "ShapelodeDown" in fired(server, gone), "the daemon that is gone to be missed")
        for address, scene in scenes.items():
            if not FIRES[scene]:
                eventually(lambda: shaped_for(server, address) > LONG_S, f"{scene}: shapes", 240)  # noqa: B023
        found = {scene: fired(server, address) - AS_WELL.get(scene, set()) for address, scene in scenes.items()}
        assert found == FIRES


def shaped_for(server: Prometheus, address: str) -> float:
    """Seconds for which a daemon has had so many shapes that their loss counts."""
    shapes = f'shapelode_clusters{{state="shaped", instance="{address}"}} >= {FEW}'
    return server.value(f"count_over_time(({shapes})[10m:1s])") or 0.0


def fired(server: Prometheus, address: str) -> set[str]:
    """Alerts of a daemon that fire, or have fired since the beginning."""
    ever = f'count by (alertname) (last_over_time(ALERTS{{alertstate="firing", instance="{address}"}}[10m]))'
    return {sample["metric"]["alertname"] for sample in server.query(ever)}
