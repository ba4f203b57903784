"""Remote shards against servers that stall, break off, redirect and lie."""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from index.stream import addresses
from index.stream.options import HttpOptions
from index.stream.remote import RemoteShard
from index.stream.tar import read_samples
from ops.errors import ForbiddenSourceError, SourceError
from tests.hostile_http import Hostile, Request, hostile
from tests.stub_stream import LOOPBACK, contents, keys, mine, reasons
from tests.tars import write_shard

SHORT = HttpOptions(timeout_s=0.3, attempts=3, backoff_s=0.01, private_hosts=("127.0.0.1",))


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return write_shard(tmp_path / "source.tar", [f"k{i}" for i in range(30)]).read_bytes()


OK = b"HTTP/1.1 200 OK\r\n"


def fetch(server: Hostile, options: HttpOptions = SHORT) -> bytes:
    with RemoteShard(f"{server.url}/a.tar", options) as shard:
        return shard.read()


def ranged(request: Request, data: bytes, stop: int | None = None, **headers: str) -> None:
    """Answers as a server with ranges does, but breaks off at a byte."""
    start = request.start
    rest = data[start:stop]
    status = "206 Partial Content" if start else "200 OK"
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    request.answer(status, rest, Content_Length=str(len(data) - start), **headers)


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(data: bytes) -> None:
    def answer(request: Request) -> None:
        ranged(request, data, min(len(data), request.start + 20_000), ETag='"one"')

    with hostile(answer) as server:
        assert fetch(server, HttpOptions(0.5, 30, 0.001, ("127.0.0.1",))) == data
    starts = [request.start for request in server.requests]
    assert len(starts) == -(-len(data) // 20_000) and starts == sorted(starts)
    assert all(request.headers["if-range"] == '"one"' for request in server.requests[1:])


@pytest.mark.parametrize("how", ["reset", "stall", "trickle"])
def test_resets_and_stalls_are_overcome(data: bytes, how: str) -> None:
    def answer(request: Request) -> None:
        if request.number:
            return ranged(request, data)
        ranged(request, data, 10_000)
        if how == "reset":
            request.reset()
        while how != "reset" and not request.stop.wait(0.02):
            if how == "trickle":
                request.send(data[10_000:10_001])
                return request.stop.wait(2) and None
        return None

    with hostile(answer) as server:
        assert fetch(server) == data
    assert len(server.requests) == 2 and server.requests[1].start >= 10_000


def test_bytes_that_trickle_for_ever_are_a_stall(data: bytes) -> None:
    def answer(request: Request) -> None:
        request.answer("200 OK", Content_Length=str(len(data)))
        for byte in data:
            request.send(bytes([byte]))
            if request.stop.wait(0.02):
                return

    began = time.monotonic()
    with hostile(answer) as server, pytest.raises(SourceError, match="cannot read shard"):
        fetch(server)
    assert len(server.requests) == 3
    assert time.monotonic() - began < 30  # it would take 20 minutes


def test_a_server_without_ranges_is_read_again_from_the_beginning(data: bytes) -> None:
    def answer(request: Request) -> None:
        request.answer("200 OK", data if request.number else data[:30_000], Content_Length=str(len(data)))

    with hostile(answer) as server:
        assert fetch(server) == data
    assert len(server.requests) == 2


def test_a_file_that_changes_while_it_is_read_is_not_put_together(data: bytes) -> None:
    def answer(request: Request) -> None:
        if request.number:
            request.answer("200 OK", data[::-1], ETag='"two"')
        else:
            ranged(request, data, 30_000, ETag='"one"')

    with hostile(answer) as server, pytest.raises(SourceError, match="changed while it was read"):
        fetch(server)
    assert len(server.requests) == 2


def test_a_range_that_was_not_asked_for_is_refused(data: bytes) -> None:
    def answer(request: Request) -> None:
        if request.number:
            request.answer("206 Partial Content", data, Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}")
        else:
            ranged(request, data, 30_000)

    with hostile(answer) as server, pytest.raises(SourceError, match="sent from '0'"):
        fetch(server)


@pytest.mark.parametrize(
    ("status", "headers", "tries", "message"),
    [
        ("404 Not Found", {}, 1, "404"),
        ("403 Forbidden", {}, 1, "403"),
        ("503 Service Unavailable", {}, 3, "503"),
        ("429 Too Many Requests", {}, 3, "429"),
        ("200 OK", {"Content_Type": "text/html; charset=utf-8"}, 1, r"a page \(text/html\) instead of a tar"),
        ("302 Found", {"Location": "/a.tar"}, 6, "more than 5 redirects"),
        ("302 Found", {"Location": "file:///etc/passwd"}, 1, "redirects to 'file:///etc/passwd'"),
        ("302 Found", {"Location": "pipe:cat /etc/passwd"}, 1, "redirects to 'pipe:"),
    ],
)
def test_answers_that_are_no_shard_are_errors(status: str, headers: dict[str, str], tries: int, message: str) -> None:
    def answer(request: Request) -> None:
        request.answer(status, b"<html></html>", **headers)

    with hostile(answer) as server, pytest.raises(SourceError, match=message):
        fetch(server)
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 99999 ?\r\n\r\n", b""],
)
def test_answers_that_are_no_http_are_errors(answer: bytes) -> None:
    with hostile(lambda request: request.send(answer)) as server, pytest.raises(SourceError):
        fetch(server)
    assert len(server.requests) == 3


def test_pauses_between_tries_double() -> None:
    times: list[float] = []
    with hostile(lambda request: times.append(time.monotonic())) as server, pytest.raises(SourceError):
        fetch(server, HttpOptions(1.0, 4, 0.05, ("127.0.0.1",)))
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert len(pauses) == 3 and all(pause >= 0.05 * 2**i for i, pause in enumerate(pauses))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]",
             "[fe80::1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "0.0.0.0", "100.64.0.1", "224.0.0.1", "2130706433",
             "0x7f.1"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_never_connected_to(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: pytest.fail(f"connected to {a}"))
    with pytest.raises(ForbiddenSourceError, match=r"not a public address; allow it with stream\.private_hosts"):
        RemoteShard(f"http://{host}:81/a.tar", HttpOptions(attempts=1))


def test_public_addresses_are() -> None:
    assert all(map(addresses.is_public, map(addresses.ip_address, ("1.1.1.1", "2606:4700::1111"))))


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "*"])
def test_what_is_allowed_by_configuration_may_be_private(allowed: str, data: bytes) -> None:
    with hostile(lambda request: ranged(request, data)) as server:
        assert fetch(server, HttpOptions(0.5, 1, 0.01, ("example.org", allowed))) == data


def answers_of(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Lets a name have one address after another; returns what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        if host == "127.0.0.1":
            return list(real(host, port, *rest, **options))
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[min(len(asked), len(answers)) - 1], port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_redirect_to_a_private_address_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> None:
        request.answer("302 Found", Location="http://metadata.internal/latest/meta-data")

    asked = answers_of(monkeypatch, "169.254.169.254")
    with hostile(answer) as server, pytest.raises(ForbiddenSourceError, match=r"metadata.internal is at 169.254"):
        fetch(server)
    assert asked == ["metadata.internal"] and len(server.requests) == 1


def test_the_checked_address_is_the_one_connected_to(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], **_: Any) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError("none of these is real")

    # A name that is public when it is checked and private when it is asked for again.
    asked = answers_of(monkeypatch, "93.184.216.34", "127.0.0.1")
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(SourceError):
        RemoteShard("http://rebinding.example/a.tar", HttpOptions(attempts=1))
    assert asked == ["rebinding.example"]
    assert dialled == [("93.184.216.34", 80)]


def test_samples_before_a_lost_connection_are_stored_and_the_rest_when_it_is_back(tmp_path: Path, data: bytes) -> None:
    broken = [True]

    def answer(request: Request) -> None:
        if broken[0] and request.start:
            request.answer("503 Service Unavailable")
        else:
            ranged(request, data, len(data) // 2 if broken[0] else None)

    with hostile(answer) as server:
        url = f"{server.url}/a.tar"
        mine(tmp_path / "state", url)
        found = keys(tmp_path / "state")
        assert 5 < len(found) < 30 and reasons(tmp_path / "state") == {"source_lost": 1}
        assert len(server.requests) == 1 + LOOPBACK.attempts - 1
        broken[0] = False
        mine(tmp_path / "state", url)
        mine(tmp_path / "whole", url)
        assert len(keys(tmp_path / "state")) == 30
        assert contents(tmp_path / "state") == contents(tmp_path / "whole")
        requests = len(server.requests)
        assert mine(tmp_path / "state", url) == [] and len(server.requests) == requests


def test_a_page_under_the_name_of_a_tar_is_not_one() -> None:
    page = b"<html><body>Please log in</body></html>" * 100
    with hostile(lambda request: request.answer("200 OK", page)) as server:
        samples = list(read_samples(f"{server.url}/a.tar", 0, SHORT))
    assert [s.reject.reason for s in samples if s.reject] == ["not_a_tar"]
