"""A Prometheus server of the test's own, on loopback, with the rules of the repository."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.waiting import eventually

ASSETS = Path(__file__).parents[1] / "ops" / "prometheus"
RULES = sorted((ASSETS / "rules").glob("*.yml"))
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is not installed (Debian's package `prometheus`)",
)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Prometheus:
    """Asks a running server."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30.0, trust_env=False)

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Samples of an instant vector as of now."""
        answer = self._client.get("/api/v1/query", params={"query": expr}).json()
        assert answer["status"] == "success", (expr, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expr: str) -> float | None:
        """The value of the one sample of a query, None if there is none."""
        found = self.query(expr)
        assert len(found) <= 1, (expr, found)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}

    def ready(self) -> bool:
        """The server answers."""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False


def write_config(folder: Path, targets: Sequence[str], rules: Sequence[Path], interval: str) -> Path:
    """The repository's configuration, for other targets, another pace and place of the rules."""
    config = yaml.safe_load((ASSETS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval}
    config["rule_files"] = [str(path) for path in rules]
    scraped = config["scrape_configs"][0]
    files = [target for target in targets if target.endswith(".json")]
    scraped["file_sd_configs"] = [{"files": files, "refresh_interval": interval}] if files else []
    scraped["static_configs"] = [{"targets": [target for target in targets if target not in files]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def scraping(
    folder: Path, targets: Sequence[str], rules: Sequence[Path] = RULES, interval: str = "1s"
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes some ``host:port``, or those of discovery files, for as long as the context lasts."""
    port = free_port()
    command = [
        "prometheus", f"--config.file={write_config(folder, targets, rules, interval)}",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        server = Prometheus(f"http://127.0.0.1:{port}")
        try:
            eventually(lambda: process.poll() is not None or server.ready(), "Prometheus to start")
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield server
        finally:
            server.close()
            process.terminate()
            process.wait(30)
