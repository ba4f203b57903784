"""The server: background thread, busy ports, bad states, signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from daemon.api.server import ApiServer
from ops.errors import PortInUseError, StateError
from tests.library_factory import make_library


def test_it_answers_while_entered_and_frees_its_port(tmp_path: Path) -> None:
    with ApiServer(make_library(tmp_path), port=0) as server:
        assert httpx.get(f"{server.url}/v1/status").json()["images"] == 14
        url = server.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    folder = make_library(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port}.*in use"):
            ApiServer(folder, port=port)


def test_a_wrong_folder_leaves_no_socket_behind(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        ApiServer(tmp_path / "none", port=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_gracefully_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    folder = make_library(tmp_path)
    command = [sys.executable, "-u", "-m", "daemon.cli", "serve", "--state", str(folder), "--port", "0"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root,
                          env={**os.environ, "PYTHONPATH": str(root)}) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        url = process.stdout.readline().split(" on ")[1].split(",")[0]
        with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
            assert client.get(f"{url}/healthz").status_code == 200
        process.send_signal(number)
        assert process.wait(15) == 0
        assert process.stderr.read() == ""
