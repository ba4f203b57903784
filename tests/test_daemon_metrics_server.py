from __future__ import annotations

import socket
import threading

import httpx
import pytest

from daemon.metrics_server import MetricsServer
from ops.errors import PortInUseError
from tests.peers import ask, connected, is_cut, until
from tests.test_daemon_telemetry import value


def cuts(why: str) -> float:
    return value("shapelode_connections_cut_total", server="metrics", why=why)


def test_it_serves_every_metric_and_frees_its_port() -> None:
    with MetricsServer("127.0.0.1", 0) as server:
        answer = httpx.get(server.url)
        assert answer.status_code == 200 and "shapelode_images_total" in answer.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"metrics on 127\.0\.0\.1:{port}: Address already in use; set"):
            MetricsServer("127.0.0.1", port)


def test_stuck_scrapers_are_cut_and_others_are_answered() -> None:
    before = cuts("too_slow")
    with (
        MetricsServer("127.0.0.1", 0, connections=8, longest_s=3.0) as server,
        connected(server.url, 2) as (silent, reader),
    ):
        silent.sendall(b"GET /metr")
        ask(reader, "/metrics")
        assert httpx.get(server.url).status_code == 200
        assert until(lambda: is_cut(silent))
        assert cuts("too_slow") == before + 1


def test_more_connections_than_it_has_room_for_are_refused_and_leave_no_threads() -> None:
    before, threads = cuts("too_many"), threading.active_count()
    with MetricsServer("127.0.0.1", 0, connections=4, longest_s=5.0) as server, connected(server.url, 40) as peers:
        assert until(lambda: cuts("too_many") == before + 36)
        assert threading.active_count() <= threads + 1 + 4
        assert sum(is_cut(peer) for peer in peers) >= 36
        assert until(lambda: all(is_cut(peer) for peer in peers))
        assert httpx.get(server.url).status_code == 200
    assert until(lambda: threading.active_count() <= threads)
