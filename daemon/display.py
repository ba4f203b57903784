"""Progress of a run: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daemon.telemetry import Telemetry
from index.jobs import PublishReport
from ops.logs import get_logger

_log = get_logger("progress")
_LINE_EVERY_S = 10.0
_EVENTS = 8


class Display(Protocol):
    """What the run tells a person."""

    def event(self, report: PublishReport) -> None:
        """A reconstruction ended."""

    def __enter__(self) -> Display:
        """Starts showing."""

    def __exit__(self, *exception: object) -> None:
        """Stops showing."""


def make_display(telemetry: Telemetry, console: Console) -> Display:
    """A live panel if the console is a terminal, else lines in the log."""
    return LivePanel(telemetry, console) if console.is_terminal else LogLines(telemetry)


def describe(report: PublishReport) -> str:
    """One line about a reconstruction that ended."""
    if report.outcome == "published":
        return (
            f"shape {report.name} v{report.version} published: held-out loss {report.loss:.3f} "
            f"({report.start}, {report.seconds:.0f} s)"
        )
    return f"cluster {report.name}: {report.outcome.replace('_', ' ')}: {report.reason}"


def summary(telemetry: Telemetry) -> str:
    """The state of the stream in one line."""
    p = telemetry.progress
    return (
        f"{p.images} images ({telemetry.images_per_second():.1f}/s), {p.rejected} rejected, "
        f"{p.clusters} clusters, {p.outliers} outliers, {p.shapes} shapes, "
        f"{p.recon_running} reconstructing, {p.recon_queue} due"
    )


class LogLines:
    """A line in the log every few seconds, and one for each shape."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def event(self, report: PublishReport) -> None:
        """Logs a reconstruction that ended."""
        told = {name: getattr(report, name) for name in ("cluster", "job", "version", "outcome", "reason", "seconds")}
        _log.info("%s", describe(report), extra=told)

    def _tell(self) -> None:
        while not self._done.wait(_LINE_EVERY_S):
            _log.info("%s", summary(self._telemetry))

    def __enter__(self) -> LogLines:
        """Starts the lines."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends with one last line."""
        self._done.set()
        self._thread.join()
        _log.info("%s", summary(self._telemetry))


class LivePanel:
    """A panel that is redrawn in place: rates, clusters, shapes and the latest news."""

    def __init__(self, telemetry: Telemetry, console: Console) -> None:
        self._telemetry = telemetry
        self._news: deque[str] = deque(maxlen=_EVENTS)
        self._began = time.monotonic()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=4)

    def event(self, report: PublishReport) -> None:
        """Adds a reconstruction that ended to the news."""
        self._news.append(describe(report))

    def _render(self) -> RenderableType:
        p = self._telemetry.progress
        table = Table.grid(padding=(0, 2))
        elapsed = time.monotonic() - self._began
        table.add_row("stream", f"{p.images} images", f"{self._telemetry.images_per_second():.1f} / s", p.shard[-48:])
        stages = "  ".join(f"{k} {v:.0f} s" for k, v in p.stage_seconds.items())
        table.add_row("stages", stages, f"{p.in_flight} in flight", f"{p.rejected} rejected")
        table.add_row("clusters", f"[bold]{p.clusters}[/bold]", f"{p.outliers} outliers", "")
        busy = f"{p.recon_running} under way, {p.recon_queue} due"
        table.add_row("shapes", f"[bold green]{p.shapes}[/bold green]", busy, f"{elapsed:.0f} s elapsed")
        return Group(table, *(Text(f"  {line}", style="dim") for line in self._news))

    def __enter__(self) -> LivePanel:
        """Starts drawing."""
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leaves the last drawing on the screen."""
        self._live.__exit__(None, None, None)
