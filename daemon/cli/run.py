"""`shapelode run`: mine shapes from shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.app import DEFAULT_STATE, app
from daemon.config import load_config
from ops.errors import ConfigError, SourceError

_EXAMPLES = """
Mine shapes from shards until they end, or for ever with --follow.

Running again with the same --state continues where the last run stopped.

Examples:

  shapelode run --shards 'crawl/{00000..00099}.tar' --state library

  shapelode run --shards crawl/ --follow --state library

  shapelode run --shards https://example.org/00000.tar --set recon.effort=full

  shapelode run --shards crawl/ --follow --log-format json 2> daemon.log
"""


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``section.key=value`` flags as overrides.

    Raises:
        ConfigError: one has no ``=``.
    """
    overrides: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise ConfigError(f"--set takes section.key=value, not {setting!r}")
        overrides[key.strip()] = value.strip()
    return overrides


@app.command(help=_EXAMPLES)
def run(
    shards: Annotated[list[str], typer.Option(help="Tar, directory, glob, braces or http(s) URL; may be repeated.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATTERN]...", help="More shards.")] = None,
    state: Annotated[Path, typer.Option(help="State directory.", envvar="SHAPELODE_STATE")] = DEFAULT_STATE,
    follow: Annotated[bool, typer.Option("--follow", help="Watch the patterns for new shards.")] = False,
    config: Annotated[Path | None, typer.Option(help="TOML file.", envvar="SHAPELODE_CONFIG")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="section.key=value; may be repeated.")] = None,
    backbone: Annotated[str | None, typer.Option(help="embedded, dinov2 or ARCHITECTURE:PATH.")] = None,
    clusterer: Annotated[str | None, typer.Option(help="linkage or dbstream.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="A running Ray cluster; else a local one.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API and the page.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of the Prometheus metrics.")] = None,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Serve the API and the page.")] = True,
    metrics: Annotated[bool, typer.Option("--metrics/--no-metrics", help="Serve metrics.")] = True,
    log_format: Annotated[str | None, typer.Option(help="pretty, or json for one object a line.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Mines shapes from shards; the help text is in `_EXAMPLES`."""
    overrides = {
        "backbone.name": backbone,
        "clustering.name": clusterer,
        "ray.address": ray_address,
        "api.port": port,
        "metrics.port": metrics_port,
        "api.enabled": None if api else False,
        "metrics.enabled": None if metrics else False,
        "logs.format": log_format,
        "logs.level": log_level,
        **parse_settings(setting or []),
    }
    settings = load_config(config, overrides)

    from daemon.run import RunResult, log_options, tell_result  # Ray and torch take seconds to import
    from daemon.run import run as run_daemon
    from ops.logs import setup_logging

    setup_logging(log_options(settings))
    result: RunResult = run_daemon(state, [*shards, *(more or [])], settings, follow=follow)
    tell_result(result, as_json=as_json)
    if result.failed_shards and not result.stopped:
        raise SourceError(f"{len(result.failed_shards)} of the shards could not be read: {result.failed_shards[0]}")
