"""Writes the dashboards' JSON anew; with ``--draw``, pictures of them from a Prometheus.

Examples:
    python -m ops.grafana
    python -m ops.grafana --draw http://127.0.0.1:9090 --minutes 20 --output docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.clock import wall_time
from ops.errors import ShapelodeError
from ops.grafana.build import write
from ops.grafana.draw import Span, asking, draw_all

_POINTS = 240


def dashboards(
    draw: Annotated[str, typer.Option(help="URL of a Prometheus to draw pictures from.")] = "",
    minutes: Annotated[float, typer.Option(min=0.1, help="Time the pictures show, up to now.")] = 60.0,
    output: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/images"),
) -> None:
    """Write the dashboards' JSON anew, or draw them."""
    if draw:
        now = wall_time()
        span = Span(now - 60 * minutes, now, 60 * minutes / _POINTS)
        paths = draw_all(asking(draw, span), span, output)
    else:
        paths = write()
    for path in paths:
        typer.echo(path)


def main() -> int:
    """Runs it; errors are one line and an exit status."""
    try:
        typer.run(dashboards)
    except ShapelodeError as error:
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
