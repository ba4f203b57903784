"""A real daemon scraped by a real Prometheus: every panel of every dashboard has something to show."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from daemon.discovery import NAME
from ops.grafana import DASHBOARDS
from ops.synth.shards import write_shards
from tests.prometheus import Prometheus, free_port, needs_prometheus, scraping
from tests.tars import add_sample, jpeg
from tests.waiting import eventually

pytestmark = needs_prometheus
QUICK = {
    "stream.batch_size": 6,
    "stream.settle_s": 0.2,
    "stream.poll_s": 0.2,
    "stream.max_objects": 1,  # images are counted against photos
    "recon.min_views": 8,
    "recon.max_views": 8,
    "recon.effort": "draft",
    "recon.workers": 1,
    "ray.num_cpus": 2,
}
SERIES_A_ROUTE = 17
"""Of a route and class of status: buckets, sum, count, and since when."""


class Scene(NamedTuple):
    """A daemon that follows a crawl, and the Prometheus that scrapes it."""

    server: Prometheus
    metrics: str
    api: str
    daemon: subprocess.Popen[str]
    crawl: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("watched")
    crawl = write_shards(folder, shapes=2, views=18, seed=1, per_shard=18)
    target, port = f"127.0.0.1:{free_port()}", str(free_port())
    command = [
        sys.executable, "-m", "daemon.cli", "run", "--shards", str(crawl), "--follow",
        "--state", str(folder / "state"), "--port", port, "--metrics-port", target.rpartition(":")[2],
        *(f"--set={key}={value}" for key, value in QUICK.items()),
    ]  # fmt: skip
    with (folder / "daemon.log").open("w") as log, scraping(folder, [str(folder / "state" / NAME)]) as server:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, text=True)
        try:
            yield Scene(server, f"http://{target}", f"http://127.0.0.1:{port}", daemon, crawl)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)


def test_readiness_comes_with_the_library_and_every_panel_shows_data(scene: Scene) -> None:
    server = scene.server
    eventually(lambda: probe(f"{scene.metrics}/readyz") == 503, "the metrics port to answer", 60)
    eventually(lambda: server.value("shapelode_ready") == 1, "the daemon to become ready", 120)
    assert httpx.get(f"{scene.metrics}/readyz").text == "ok\n"
    refuse_one(scene)
    ended = "shapelode_versions_published_total > 0 and on (instance) shapelode_stored_images == 36"
    eventually(lambda: bool(server.query(ended)), "a shape, and all images", 240)
    eventually(lambda: server.value("sum(shapelode_rejects_total)") == 1, "the refusal to be told of", 60)
    for _ in range(3):
        assert httpx.get(f"{scene.api}/readyz").status_code == 200
    patience = time.monotonic() + 20
    while (empty := _empty(server)) and time.monotonic() < patience:
        time.sleep(0.5)
        httpx.get(f"{scene.api}/readyz")  # the first requests of a route begin its series: no rate is told of them
    assert empty == []
    assert server.value("shapelode_index_recall_ratio") == 1
    assert server.value("sum(shapelode_rejects_total)") == 1
    assert server.value('up{job="shapelode-ray"}') == 1, "Ray's agent, which the discovery file names as well"
    assert server.firing() == set()


def refuse_one(scene: Scene) -> None:
    """Adds a shard to the crawl whose one image is refused.

    Only once counters are scraped: of one that has risen before its first sample no rate is told.
    """
    with tarfile.open(scene.crawl / "z.tmp", "w") as tar:
        add_sample(tar, "tiny", jpeg(size=(1, 1)))
    (scene.crawl / "z.tmp").rename(scene.crawl / "z.tar")


def probe(url: str) -> int:
    """The status that a probe is answered with; 0 while nothing listens."""
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


def _empty(server: Prometheus) -> list[str]:
    """Panels of which a query returns nothing, or nothing that is a number."""
    found = []
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                samples = server.query(query.expr.replace("$instance", ".*"))
                if not any(math.isfinite(float(sample["value"][1])) for sample in samples):
                    found.append(f"{dashboard.name}/{panel.title}: {query.expr}")
    return found


def test_the_series_of_a_daemon_are_few_whatever_it_is_asked_for(scene: Scene) -> None:
    for number in range(40):
        for path in (f"shapes/{number}", f"shapes/1?version={number}", f"images/{number}", f"nothing/{number}"):
            httpx.get(f"{scene.api}/v1/{path}")
    exposed = [line for line in httpx.get(f"{scene.metrics}/metrics").text.splitlines() if line[0] != "#"]
    of_requests = [line for line in exposed if line.startswith("shapelode_api_request_seconds")]
    assert len(exposed) - len(of_requests) <= 300
    # Answers and refusals of two routes, no such route, and probes: whatever their numbers were.
    assert 5 * SERIES_A_ROUTE <= len(of_requests) <= 8 * SERIES_A_ROUTE
    held = 'count({job="shapelode"})'
    eventually(lambda: (scene.server.value(held) or 0) >= len(exposed), "all of them to be scraped", 30)
    assert (scene.server.value(held) or 0) <= 500, "with what rules record of it"


def test_a_daemon_that_is_killed_is_seen_to_be_down(scene: Scene) -> None:
    assert scene.server.value('up{job="shapelode"}') == 1
    os.kill(scene.daemon.pid, signal.SIGKILL)
    scene.daemon.wait(60)
    eventually(lambda: scene.server.value('up{job="shapelode"}') == 0, "the scrape to fail", 30)
    eventually(lambda: bool(scene.server.query('ALERTS{alertname="ShapelodeDown"}')), "the alert to be pending", 30)
