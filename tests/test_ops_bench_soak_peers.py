from __future__ import annotations

from pathlib import Path

import httpx

from daemon.api.server import ApiServer
from daemon.metrics_server import MetricsServer
from ops.bench.soak.peers import Peers
from tests.library_factory import make_library
from tests.peers import until
from tests.test_daemon_telemetry import value


def test_others_are_answered_while_they_hang_on(tmp_path: Path) -> None:
    peers = Peers()
    before = value("shapelode_connections_cut_total", server="api", why="too_many")
    with ApiServer(make_library(tmp_path), port=0) as api, MetricsServer("127.0.0.1", 0) as metrics:
        for _ in range(3):
            peers.read_slowly(api.url)
            peers.ask_slowly(api.url)
            peers.scrape_and_stop(metrics.url)
            peers.tick()
        assert httpx.get(f"{api.url}/healthz").status_code == 200 and httpx.get(metrics.url).status_code == 200
        peers.flood(api.url)
        assert until(lambda: value("shapelode_connections_cut_total", server="api", why="too_many") > before + 50)
        peers.close()
        assert until(lambda: httpx.get(f"{api.url}/healthz").status_code == 200)
