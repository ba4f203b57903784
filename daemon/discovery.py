"""One file that tells Prometheus what to scrape: the daemon, and Ray's agent on every node, as nodes come and go.

The format is that of Prometheus' ``file_sd_configs``, which looks at the file whenever it changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from actors.nodes import metric_addresses, node_address
from ops.logs import get_logger

_log = get_logger("metrics")
NAME = "scrape.json"
_EVERYWHERE = ("0.0.0.0", "[::]")


def target_of(url: str, here: Callable[[], str] = node_address) -> str:
    """``host:port`` of a listener for others, from its URL; one that listens everywhere goes by this node's address."""
    host, _, port = urlsplit(url).netloc.rpartition(":")
    return f"{here() if host in _EVERYWHERE else host}:{port}"


class Discovery:
    """Keeps the file current; a context manager that takes it away at the end, when there is nothing to scrape."""

    def __init__(self, folder: Path, target: str, nodes: Callable[[], Mapping[str, str]] = metric_addresses) -> None:
        """Sets up without writing.

        Args:
            folder: the state directory.
            target: ``host:port`` of the daemon's metrics.
            nodes: asks for the nodes there are.
        """
        self.path = folder / NAME
        self._target = target
        self._nodes = nodes
        self._written = ""

    def refresh(self) -> None:
        """Writes the file if anything has changed; a disk that is full is no reason to end."""
        groups = [{"targets": [self._target], "labels": {"part": "daemon"}}]
        for node, address in sorted(self._nodes().items()):
            groups.append({"targets": [address], "labels": {"job": "shapelode-ray", "part": "ray", "node": node[:8]}})
        text = json.dumps(groups, indent=1) + "\n"
        if text == self._written:
            return
        fresh = self.path.with_suffix(".tmp")
        try:
            fresh.write_text(text)
            os.replace(fresh, self.path)
        except OSError as error:
            _log.warning("cannot write %s: %s", self.path, error.strerror)
        else:
            self._written = text

    def __enter__(self) -> Discovery:
        """Writes the file."""
        self.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes the file away. After a kill it stays, so that the daemon is missed."""
        with suppress(OSError):
            self.path.unlink()
