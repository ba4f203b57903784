"""`shapelode run`: everything between the arguments and the last line of the summary."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from threading import Event

from rich.console import Console

from actors.answers import get
from actors.crew import Crew, hire, start_ray, stop_ray
from actors.plan import CrewPlan, ReconstructorOptions
from daemon.access import Access, access_for, read_token
from daemon.api.server import ApiServer
from daemon.config import Config
from daemon.discovery import Discovery, target_of
from daemon.display import Display, LogLines, make_display
from daemon.editing import announced
from daemon.founding import found_parts
from daemon.health import Health, Phase
from daemon.metrics_server import MetricsServer
from daemon.periodic import every
from daemon.pipeline import Pipeline
from daemon.plan import ShardPlan
from daemon.telemetry import Telemetry
from daemon.watch import Watch
from index.ingest import IngestConfig
from index.kinds import Sizes
from index.layout import check_count
from index.lock import FileLock
from index.records import ShardRecord
from index.schedule import Policy
from index.stream.options import DecodeLimits, HttpOptions, ReadOptions
from index.stream.sources import expand
from ops.errors import ConfigError
from ops.logs import LogOptions, LogStream, get_logger

_log = get_logger("daemon")
_LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        stopped: a signal ended it, rather than the input.
        failed_shards: shards that could not be read.
        images: images stored by this run.
        rejected: samples, members and shards refused by this run.
        published: shape versions published by this run.
        total_images: images in the library.
        shapes: shapes in the library.
    """

    stopped: bool
    failed_shards: list[str]
    images: int
    rejected: int
    published: int
    total_images: int
    shapes: int


def run(
    folder: Path,
    patterns: Sequence[str],
    config: Config,
    *,
    follow: bool = False,
    console: Console | None = None,
) -> RunResult:
    """Mines shapes from shards until the input ends or a signal asks to stop.

    Args:
        folder: state directory, made if missing.
        patterns: shards as a person gives them.
        config: all settings.
        follow: go on watching the patterns for new shards.
        console: where progress goes, by default standard error.

    Raises:
        SourceError: a pattern matches nothing.
        StateError: the state directory can't be used.
        BackboneError: the backbone can't be loaded.
        PortInUseError: an address is taken.
        ConfigError: Ray can't be started, or something would listen beyond loopback without a token.
    """
    api_access, metrics_access = _access(config)
    if config.parts.count > 1 and config.api.enabled:
        raise ConfigError("a library in parts has no page of its own: add --no-api, and `shapelode serve` each part")
    expand(patterns, follow=follow)  # a mistyped pattern should fail before anything is started
    telemetry = Telemetry()
    health = Health(telemetry)
    with ExitStack() as stack:
        # Ray tells on stdout of processes that died; stdout is the summary's, which programs read.
        stack.enter_context(redirect_stdout(LogStream(get_logger("ray"))))
        stack.enter_context(FileLock(folder / "daemon.lock"))
        check_count(folder, config.parts.count)
        telemetry.disk_free(shutil.disk_usage(folder).free)  # an alert takes 0 for what it says
        served = _serve_metrics(stack, config, metrics_access, health)
        crew = stack.enter_context(_crew(folder, config))
        telemetry.began(version(), crew.info.name, config.clustering.name, config.stream.in_flight)
        telemetry.opened(get(crew.miner.opened.remote()))
        plan = ShardPlan(patterns, crew.shards, follow=follow, settle_s=config.stream.settle_s)
        tell_resumption(plan, crew.shards)
        if config.api.enabled:
            server = stack.enter_context(
                ApiServer(
                    folder,
                    config.api.host,
                    config.api.port,
                    api_access,
                    read_options(config).decode,
                    health,
                    lambda edit: get(crew.miner.edit.remote(edit)),
                )
            )
            stack.enter_context(announced(folder, server.url))
            _log.info("library page and API on %s", server.url)
        _keep_looking(stack, Watch(folder, crew, telemetry))
        if served is not None:
            discovery = stack.enter_context(Discovery(folder, target_of(served.url)))
            _keep_looking(stack, discovery.refresh)
        display = _display(config, telemetry, console or Console(stderr=True))
        if config.parts.count > 1:
            found_parts(crew, patterns, config)
        pipeline = Pipeline(crew, plan, config, telemetry, display.event)
        stopped = _drive(pipeline, display, health)
        return _result(telemetry, pipeline, stopped)


def _serve_metrics(stack: ExitStack, config: Config, access: Access, health: Health) -> MetricsServer | None:
    if not config.metrics.enabled:
        return None
    served = stack.enter_context(MetricsServer(config.metrics.host, config.metrics.port, access, health))
    _log.info("metrics on %s", served.url)
    return served


def _keep_looking(stack: ExitStack, look: Callable[[], None]) -> None:
    """Looks now, and from then on every few seconds."""
    look()
    stack.enter_context(every(_LOOK_S, look))


def _access(config: Config) -> tuple[Access, Access]:
    token = read_token(config.api.token_file)
    api = access_for("the API", config.api.host if config.api.enabled else "localhost", token, config.api.hosts)
    host = config.metrics.host if config.metrics.enabled else "localhost"
    return api, access_for("the metrics port", host, token, config.api.hosts)


def tell_result(result: RunResult, *, as_json: bool) -> None:
    """Prints how a run ended, for a person or a program."""
    console = Console()
    if as_json:
        console.print_json(data=asdict(result))
        return
    ending = "stopped" if result.stopped else "the input has ended"
    console.print(
        f"{ending}: {result.images} images stored, {result.rejected} rejected, {result.published} shape versions "
        f"published; the library holds {result.total_images} images and {result.shapes} shapes"
    )


def _display(config: Config, telemetry: Telemetry, console: Console) -> Display:
    # A panel that is drawn anew in place would not be JSON.
    return LogLines(telemetry) if config.logs.format == "json" else make_display(telemetry, console)


def _drive(pipeline: Pipeline, display: Display, health: Health) -> bool:
    with display, _signals(pipeline, health) as stopped:
        health.runs()
        try:
            pipeline.run()
        finally:
            health.phase = Phase.STOPPING
        return stopped.is_set()


def version() -> str:
    """The installed version, or ``source`` where nothing is installed."""
    try:
        return metadata.version("shapelode")
    except metadata.PackageNotFoundError:
        return "source"


def tell_resumption(plan: ShardPlan, known: Sequence[ShardRecord]) -> None:
    """Says what an earlier run has done and what is skipped."""
    if not known:
        return
    stored = sum(record.stored for record in known)
    _log.info(
        "continuing: %d images are stored; skipping %d finished shards, %d to read", stored, len(plan.skipped),
        plan.waiting,
    )  # fmt: skip
    for record in known:
        if record.cursor and not record.done:
            _log.info("continuing %s behind sample %d", record.url, record.cursor, extra={"shard": record.url})


def _result(telemetry: Telemetry, pipeline: Pipeline, stopped: bool) -> RunResult:
    p = telemetry.progress
    return RunResult(stopped, pipeline.failed_shards, p.run_images, p.run_rejected, p.run_published, p.images, p.shapes)


@contextmanager
def _signals(pipeline: Pipeline, health: Health) -> Iterator[Event]:
    stopped = Event()

    def on_signal(number: int, frame: object) -> None:
        if stopped.is_set():
            os._exit(128 + number)  # asked twice: everything committed is safe already
        stopped.set()
        health.phase = Phase.STOPPING
        _log.info("%s: committing what has been read, then ending", signal.Signals(number).name)
        pipeline.stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _crew(folder: Path, config: Config) -> Iterator[Crew]:
    plan = crew_plan(folder, config)
    needed = plan.embedders * plan.embedder_cpus + plan.reconstructors * plan.reconstructor_cpus
    start_ray(config.ray.address, config.ray.num_cpus, config.ray.object_store_mib, needed)
    with ExitStack() as stack:
        stack.callback(stop_ray)
        crew = hire(plan)
        stack.callback(crew.close)
        yield crew


def crew_plan(folder: Path, config: Config) -> CrewPlan:
    """What the configuration says of the actors; of a cluster's nodes Ray alone knows which takes how many."""
    recon, backbone = config.recon, config.backbone
    reconstructors = config.reconstructors()
    return CrewPlan(
        folder=str(folder.resolve()),
        backbone=backbone.name,
        device=backbone.device,
        precision=backbone.precision,
        read=read_options(config),
        readers=config.stream.readers,
        objects=config.stream.max_objects,
        embedders=backbone.embedders,
        embedder_cpus=backbone.num_cpus,
        embedder_gpus=backbone.num_gpus,
        reconstructors=reconstructors,
        reconstructor_cpus=recon.num_cpus,
        reconstructor_gpus=recon.num_gpus,
        reconstructor=ReconstructorOptions(
            backbone.name,
            "auto" if backbone.precision == "int8" else backbone.precision,  # which has no features of patches
            recon.device,
            recon.effort,
            recon.recipe,
            recon.field,
            recon.max_views,
            recon.min_views,
            recon.seed,
            recon.hand_back,
            str(folder.resolve() / "checkpoints"),
            1 if config.ray.address else max(1, reconstructors),
            recon.features_mib,
        ),
        ingest=IngestConfig(
            config.clustering.name,
            config.store.map_size_gib,
            config.store.index_every,
            Sizes(config.store.index_ivf_from, config.store.index_sq_from),
            config.stream.near_duplicates,
        ),
        parts=config.parts.count,
        part_resources=config.parts.places,
        policy=Policy(
            recon.min_views,
            recon.growth,
            recon.max_failures,
            2 * recon.max_views,
            recon.backoff_s,
            recon.search_growth,
            recon.max_views,
            recon.search_below,
            recon.register_growth,
            recon.last_growth,
        ),
        embedders_a_node=1 if config.ray.address else backbone.embedders,
        batches_at_once=backbone.batches_at_once,
        logs=log_options(config),
    )


def log_options(config: Config) -> LogOptions:
    """What the configuration says of logs, of the daemon's process and of its actors'."""
    return LogOptions(config.logs.level, config.logs.format)


def read_options(config: Config) -> ReadOptions:
    """What the configuration says of reading shards."""
    stream = config.stream
    hosts = tuple(name.strip().lower() for name in stream.private_hosts.split(",") if name.strip())
    http = HttpOptions(stream.http_timeout_s, stream.http_attempts, private_hosts=hosts)
    return ReadOptions(stream.max_side, http, DecodeLimits(stream.decode_timeout_s, stream.decode_memory_mib))
