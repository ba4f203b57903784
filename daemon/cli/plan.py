"""`shapelode plan`: what a crawl will take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.app import JsonOption, app
from ops.errors import ConfigError

if TYPE_CHECKING:
    from daemon.capacity import Crawl, Forecast, Measured

_WAIT_S = 10.0
_LARGEST = 32 * 2**20


@app.command()
def plan(
    images: Annotated[float, typer.Option(min=1, help="Images to be stored, such as 5e9.")],
    metrics: Annotated[str, typer.Option(help="Metrics of a run to go by: a file, or the URL of a daemon's port.")],
    gpus: Annotated[int, typer.Option(min=1, help="Devices of the kind the run was measured on.")] = 1,
    readers: Annotated[int, typer.Option(min=1, help="Readers, all states together.")] = 1,
    states: Annotated[int, typer.Option(min=1, help="Daemons, each with a state and a writer of its own.")] = 1,
    embedders: Annotated[int, typer.Option(min=0, help="Devices that only embed; 0: shared as there is work.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Devices that only reconstruct; 0: shared as there is work.")] = 0,
    gpu_hour: Annotated[float, typer.Option(min=0, help="Price of a device for an hour.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Predict time, memory, disk and cost of a crawl from the measured rates of a run.

    The run has to be of the same kind: images, settings, and one device of the kind that is planned for. Stages
    overlap, so the busiest of devices, readers and writers decides; reconstructions are taken to grow with the images.

    Examples:

      shapelode plan --images 5e9 --gpus 64 --readers 128 --states 8 --metrics http://127.0.0.1:9321/metrics

      shapelode plan --images 1e9 --embedders 16 --workers 48 --readers 64 --metrics run.prom

      curl -s 127.0.0.1:9321/metrics > run.prom; shapelode plan --images 1e6 --gpu-hour 2.5 --metrics run.prom --json
    """
    from daemon.capacity import Crawl, forecast, measured
    from daemon.cli.output import print_json

    run = measured(_text(metrics))
    if (embedders > 0) != (workers > 0):
        raise ConfigError("give both --embedders and --workers, or none: devices are shared or they are not")
    crawl = Crawl(images, embedders + workers or gpus, readers, states, gpu_hour, embedders, workers)
    found = forecast(run, crawl)
    if as_json:
        print_json({"measured": run, "crawl": crawl, "forecast": found})
    else:
        _tell(run, crawl, found)


def _text(source: str) -> str:
    if not source.startswith(("http://", "https://")):
        try:
            return Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the metrics {source}: {error}") from error
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(source, timeout=_WAIT_S) as answer:
            return str(answer.read(_LARGEST).decode("utf-8", "replace"))
    except (URLError, OSError) as error:
        raise ConfigError(f"cannot get the metrics {source}: {error}; is it a daemon's port?") from error


def _tell(run: Measured, crawl: Crawl, found: Forecast) -> None:
    from daemon.cli.output import data_size, print_facts

    print_facts(
        f"{crawl.images:,.0f} images on {crawl.devices} devices, by a run of {run.images:,} images",
        [
            ("time", f"{found.hours:,.1f} h ({found.hours / 24:,.1f} days), bound by the {found.busiest}"),
            ("rate", f"{crawl.images / found.hours / 3600:,.1f} images/s"),
            ("reconstruction", _sureness(run, found)),
            ("devices", f"{found.embedders:.1f} embedding, {found.reconstructors:.1f} reconstructing"),
            ("needed", f"{found.readers_needed} readers and {found.states_needed} states not to wait for them"),
            ("disk of a state", f"{data_size(round(found.store_bytes))}; store.map_size_gib at least "
             f"{found.map_bytes / 2**30:,.0f}"),
            ("memory of a writer", data_size(round(found.writer_bytes))),
            ("versions", f"{found.versions:,.0f} published"),
            ("cost", f"{found.cost:,.0f} for {found.device_hours:,.0f} device hours"),
        ],
    )  # fmt: skip


def _sureness(run: Measured, found: Forecast) -> str:
    if found.chance is None:
        return "none was measured, none is forecast; go by a run that has made shapes"
    return f"as {run.jobs:,} jobs have told, by chance give or take {found.chance:.0%}; a longer run tells better"
