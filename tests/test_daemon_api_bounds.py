"""Clients that are slow, stuck or too many: they are cut, others are answered, memory stays bounded."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from daemon.api import app as app_module
from daemon.api.bounds import BoundedProtocol, Limits
from daemon.api.server import ApiServer
from tests.library_factory import make_library
from tests.peers import ask, connected, is_cut, until
from tests.test_daemon_telemetry import value

LARGE = 32 * 2**20


def cuts(why: str) -> float:
    return value("shapelode_connections_cut_total", server="api", why=why)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(BoundedProtocol, "limits", Limits(8, request_s=1.0, window_s=1.0, least_rate=100_000.0))
    page = tmp_path / "page"
    page.mkdir()
    (page / "large.bin").write_bytes(bytes(LARGE))
    monkeypatch.setattr(app_module, "PAGE", page)
    with ApiServer(make_library(tmp_path / "state"), port=0) as server:
        yield server.url


def test_a_client_that_never_asks_and_one_that_dribbles_are_cut(url: str) -> None:
    before = cuts("too_slow")
    with connected(url, 2) as (silent, dribbling):

        def dribble() -> bool:
            dribbling.setblocking(True)
            try:
                dribbling.sendall(b"G")
            except OSError:
                return True
            return is_cut(dribbling)

        assert until(lambda: is_cut(silent)) and until(dribble)
    assert cuts("too_slow") >= before + 2
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_body_that_never_ends_is_cut(url: str) -> None:
    before = cuts("too_slow")
    with connected(url) as (peer,):
        peer.sendall(b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab")
        assert until(lambda: is_cut(peer))
    assert cuts("too_slow") == before + 1


def test_a_client_that_reads_a_byte_at_a_time_is_cut_and_one_that_reads_is_not(url: str) -> None:
    before = cuts("too_slow")
    with connected(url, receive_buffer=4096) as (peer,):
        ask(peer, "/page/large.bin")
        assert until(lambda: not peer.recv(1) or cuts("too_slow") > before)
    with httpx.stream("GET", f"{url}/page/large.bin") as answer:
        got = 0
        for chunk in answer.iter_bytes(2**20):
            got += len(chunk)
            time.sleep(0.1)  # well above the least rate, for longer than the window
    assert got == LARGE
    assert cuts("too_slow") == before + 1


def test_a_client_that_keeps_its_connection_and_asks_now_and_then_stays(url: str) -> None:
    before = cuts("too_slow")
    with httpx.Client() as client:
        for _ in range(8):
            assert client.get(f"{url}/healthz").status_code == 200
            time.sleep(0.3)
    assert cuts("too_slow") == before


def test_more_connections_than_there_is_room_for_are_refused(url: str) -> None:
    before = cuts("too_many")
    with connected(url, 40) as peers:
        assert until(lambda: cuts("too_many") >= before + 32)
        assert until(lambda: sum(is_cut(peer) for peer in peers) >= 32)
        assert until(lambda: all(is_cut(peer) for peer in peers))  # the rest never asked
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    with ApiServer(make_library(tmp_path), port=0) as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/healthz").status_code == 200
        (open_one,) = server._server.server_state.connections
        inner = open_one.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert inner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
