"""The daemon as the soak sees it: a process to start, to kill and to look into."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import IO

import psutil

from ops.errors import StateError
from ops.faults import Plan

_MARK = "SOAK_OF"
_ACTOR = re.compile(r"^ray::(Miner|Embedder|ShardReader|Reconstructor)")
_START_S = 240.0
_OPTIONS = (
    "--set", "stream.batch_size=8", "--set", "stream.settle_s=1", "--set", "stream.poll_s=1",
    "--set", "recon.max_views=12", "--set", "recon.min_views=12", "--set", "recon.growth=3",
    "--set", "store.index_every=4", "--set", "recon.effort=draft",
    "--set", "recon.workers=1",
)  # fmt: skip


class Daemon:
    """`shapelode run` on one state, again and again.

    Attributes:
        api: address of the API of the running daemon.
        metrics: address of its metrics.
    """

    def __init__(self, state: Path, shards: Path, log: Path) -> None:
        self._state = state
        self._shards = shards
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.api = self.metrics = ""

    def start(self, plan: Plan | None = None) -> None:
        """Starts it on free ports, with faults armed or not; does not wait for it."""
        api, metrics = _free_port(), _free_port()
        self.api, self.metrics = f"http://127.0.0.1:{api}", f"http://127.0.0.1:{metrics}/metrics"
        self._process = self._spawn("--follow", "--port", str(api), "--metrics-port", str(metrics), plan=plan)

    def _spawn(self, *options: str, plan: Plan | None = None) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "daemon.cli",
            "run",
            "--shards",
            str(self._shards),
            "--state",
            str(self._state),
        ]
        environment = {**os.environ, _MARK: str(os.getpid()), **(plan.environment() if plan else {})}
        with self._log.open("ab") as log:
            return subprocess.Popen([*command, *_OPTIONS, *options], stdout=log, stderr=log, env=environment)

    def finish(self, seconds: float) -> int:
        """Runs it once more, to the end of the input and without faults; its exit code."""
        process = self._spawn("--no-api", "--no-metrics")
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise StateError(f"the last run was not done after {seconds:.0f} s; see {self._log}") from None

    def exit_code(self) -> int | None:
        """How it ended, None while it runs."""
        return self._process.poll() if self._process else None

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 90.0) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The daemon and its actors, by kind."""
        assert self._process is not None
        found: dict[str, list[psutil.Process]] = {}
        try:
            daemon = psutil.Process(self._process.pid)
            found["daemon"] = [daemon]
            for child in daemon.children(recursive=True):
                actor = _ACTOR.match(_title(child))
                if actor:
                    found.setdefault(actor[1].lower(), []).append(child)
        except psutil.NoSuchProcess:
            return {}
        return found

    def wait_until_up(self) -> bool:
        """Waits until the API answers; False if the daemon ended before."""
        deadline = time.monotonic() + _START_S
        while self.exit_code() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.api}/healthz", timeout=5):
                    return True
            except OSError:
                time.sleep(0.2)
        return False

    def scrape(self) -> str:
        """The metrics as text, empty if it does not answer."""
        try:
            answer: IO[bytes]
            with urllib.request.urlopen(self.metrics, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""


def leftovers(wait_s: float = 20.0) -> list[str]:
    """Processes that our daemons have left behind, after a while for them to go."""
    deadline = time.monotonic() + wait_s
    while (found := [p for p in psutil.process_iter() if _is_ours(p)]) and time.monotonic() < deadline:
        time.sleep(0.5)
    return [_title(process) for process in found]


def _is_ours(process: psutil.Process) -> bool:
    try:
        return process.environ().get(_MARK) == str(os.getpid()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
