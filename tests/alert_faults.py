"""Daemons with one fault each, for Prometheus to watch: real writers and a real control loop, without Ray."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon import pipeline as pipeline_module
from daemon import watch as watch_module
from daemon.health import Health, Phase
from daemon.metrics_server import MetricsServer
from daemon.pipeline import Pipeline
from daemon.plan import ShardPlan
from daemon.recon_stage import ReconStage
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from index.cache import VectorCache
from index.ingest import Ingest, IngestConfig
from index.schedule import Policy
from index.stream.batch import Mark
from ops.errors import ReconstructionError
from ops.faults import Fault, Plan, arm
from tests import test_daemon_pipeline as loop
from tests.batches import DIM, batch, sample, view
from tests.states import POLICY as SHAPES
from tests.states import shape_of
from tests.test_daemon_pipeline import NEVER, Actors, Later

LOOK_S = 0.02
FEW = 10
"""Shapes whose loss is no loss of a library yet."""
_ALWAYS = 10**6
_LATER_S = 24.0  # an alert that compares with the past needs one
_CENTRES = 24
_SLOW_S = 16.0


def serve(scene: str, folder: Path, shards: list[str], told: Connection) -> None:
    """Runs one daemon until it is killed; first tells the address of its metrics, and waits until they are scraped."""
    telemetry = Telemetry()
    health = Health(telemetry)
    health.phase = Phase.RUNNING
    telemetry.disk_free(2**40)  # the machine of the test may have little
    with pytest.MonkeyPatch.context() as patch, MetricsServer("127.0.0.1", 0, health=health) as server:
        told.send(server.url.removeprefix("http://").removesuffix("/metrics"))
        told.recv()
        loop.replace_ray(patch)
        quick = pipeline_module.wait
        patch.setattr(pipeline_module, "wait", lambda refs, s: (time.sleep(LOOK_S), quick(refs, s))[1])
        SCENES[scene](folder, shards, telemetry, patch)
        while True:
            time.sleep(LOOK_S)
            telemetry.in_flight(telemetry.progress.in_flight)


def _mine(actors: Actors, shards: list[str], telemetry: Telemetry, *, follow: bool = False) -> None:
    plan = ShardPlan(shards, actors.shards, follow=follow)
    telemetry.began("test", "colours", "linkage", loop.config().stream.in_flight)
    Pipeline(actors, plan, loop.config(), telemetry, lambda report: None).run()  # type: ignore[arg-type]


def _saving_often(actors: Actors) -> Actors:
    actors.ingest._config = replace(actors.ingest._config, index_every=2)
    return actors


def well(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """A stream that takes its time, whose encoder is the slowest stage, and shapes that are all as good."""
    actors = Actors(folder, embed_looks=10)
    actors.reconstructors = [_handle(run=lambda given: Later(lambda: shape_of(given.get()), 5))]
    actors.miner.publish = SimpleNamespace(remote=lambda output: Later(lambda: actors.ingest.publish(output)))
    _mine(_saving_often(actors), shards, telemetry)


def opened_again(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """A library of earlier runs, with shapes, that is opened and waits for shards which do not come."""
    shards = shards[: len(shards) // 2]
    before = Actors(folder)
    for shard in shards:
        start, last = 0, False
        while not last:
            header, read = before.readers[0].read.remote(shard, start, 8, Mark())
            before.miner.commit.remote(before.embedders[0].embed.remote(read)).get()
            start, last = header.get().end, header.get().last
            time.sleep(LOOK_S)
    jobs = before.ingest.due(loop.POLICY).jobs
    assert len(jobs) >= FEW
    for job in jobs:
        before.ingest.publish(shape_of(before.ingest.recon_input(job, loop.POLICY)))
    before.ingest.close()
    actors = Actors(folder)
    telemetry.opened(actors.ingest.opened())
    _mine(actors, shards, telemetry, follow=True)


def hung_encoder(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Batches are read, and never embedded."""
    _mine(Actors(folder, embed_looks=NEVER), shards, telemetry)


def full_disk(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Every commit finds the disk full."""
    _mine(Actors(folder, full=NEVER), shards, telemetry)


def broken_images(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """A shard of files that are no images; no single batch takes long, which would be another fault."""
    _mine(Actors(folder, embed_looks=10), [shards[0].replace("00000.tar", "broken.tar")], telemetry)


def failing_reconstructions(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Every reconstruction breaks."""
    patch.setattr(loop, "POLICY", Policy(min_views=4, growth=1.5, max_failures=99, max_images=8, backoff_s=0.05))

    def broken() -> None:
        raise ReconstructionError("out of memory")

    actors = Actors(folder, embed_looks=2)
    actors.reconstructors = [_handle(run=lambda given: Later(broken))]
    actors.miner.fail = SimpleNamespace(
        remote=lambda job, reason: Later(lambda: actors.ingest.fail(job, reason, loop.POLICY))
    )
    _mine(actors, shards, telemetry)


def index_that_forgets(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """After a while nothing that is stored gets into the index."""
    add, calls = VectorCache.add, iter(range(_ALWAYS))
    patch.setattr(VectorCache, "add", lambda *arguments: add(*arguments) if next(calls) < 3 else None)
    well(folder, shards, telemetry, patch)


def index_that_is_not_saved(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """The file of the index can't be written."""
    arm(Plan(str(folder / "fired"), (Fault("index.write", "os_error", times=_ALWAYS),)))
    well(folder, shards, telemetry, patch)


def slow_writer(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Every commit takes long, on a disk that is slow."""
    arm(Plan(str(folder / "fired"), (Fault("commit.during", "sleep", times=_ALWAYS, seconds=0.3),)))
    actors = Actors(folder)
    actors.reconstructors = []
    _mine(actors, shards, telemetry)


def _commit(ingest: Ingest, telemetry: Telemetry, shard: str, seeds: range, centres: int = 4) -> None:
    places = [sample(place, seed) for place, seed in enumerate(seeds)]
    seen = [replace(one, views=(view(seed, centres),)) for one, seed in zip(places, seeds, strict=True)]
    one = batch(shard, seen, last=True)
    telemetry.batch(one.header, ingest.commit(one))


def _writer(folder: Path, **changes: Any) -> Ingest:
    return Ingest(folder, "test", "f" * 8, DIM, IngestConfig(**changes))


def small_map(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """A store that may not grow much further."""
    ingest = _writer(folder, map_size_gib=0.004)
    limit, number = ingest._store.limit_bytes(), 0
    while ingest._store.size_bytes() < 0.87 * limit:
        _commit(ingest, telemetry, f"{number}.tar", range(8 * number, 8 * number + 8))
        number += 1


def small_disk(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """A disk with little room left, looked at as the daemon does."""
    patch.setattr(watch_module, "get", lambda ref: ref.get())
    patch.setattr(watch_module, "wait", lambda refs, seconds: list(refs))
    miner = _handle(memory=lambda: Later(lambda: 2**20))
    crew: Any = SimpleNamespace(readers=[], embedders=[], reconstructors=[], miner=miner)
    watch_module.Watch(folder, crew, telemetry)()
    assert shutil.disk_usage(folder).free < 2**30


def worse_shapes(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Good shapes, and after a while as many poor ones."""
    ingest = _clustered(folder, telemetry)
    jobs = ingest.due(SHAPES).jobs
    assert len(jobs) >= 2 * FEW
    for number, job in enumerate(jobs):
        loss = 0.2 if number < len(jobs) // 2 else 0.9
        if number == len(jobs) // 2:
            time.sleep(_LATER_S)
        telemetry.reconstruction(ingest.publish(shape_of(ingest.recon_input(job, SHAPES), loss)))
        if (figures := ingest.due(SHAPES).figures) is not None:
            telemetry.library(figures)


def slow_reconstructions(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """Many clusters are due, and each takes seconds; scaled as the rules are, hours."""
    ingest = _clustered(folder, telemetry)
    began: dict[Later, float] = {}

    def run(given: Later) -> Later:
        later = Later(lambda: replace(shape_of(given.get()), seconds=_SLOW_S))
        began[later] = time.monotonic()
        return later

    miner = _handle(
        due=lambda: Later(lambda: ingest.due(SHAPES)),
        recon_input=lambda job: Later(lambda: ingest.recon_input(job, SHAPES)),
        publish=lambda output: Later(lambda: ingest.publish(output)),
    )
    crew: Any = SimpleNamespace(miner=miner, reconstructors=[_handle(run=run)])
    stage = ReconStage(crew, StorageWait(telemetry, 1.0), telemetry, lambda report: None)
    stage.refresh()
    while True:
        stage.feed()
        telemetry.in_flight(0)
        for ref in stage.refs():
            if time.monotonic() - began[ref] > _SLOW_S:
                stage.on_done(ref)
        time.sleep(LOOK_S)


def _clustered(folder: Path, telemetry: Telemetry) -> Ingest:
    ingest = _writer(folder, map_size_gib=1.0)
    _commit(ingest, telemetry, "a.tar", range(16 * _CENTRES), _CENTRES)
    telemetry.settled(ingest.settle())
    return ingest


def another_stream(folder: Path, shards: list[str], telemetry: Telemetry, patch: pytest.MonkeyPatch) -> None:
    """After a restart, pictures of another kind arrive."""
    ingest = _writer(folder, map_size_gib=1.0)
    _commit(ingest, telemetry, "a.tar", range(0, 4 * 120, 4))  # all about one centre
    ingest.close()
    ingest = _writer(folder, map_size_gib=1.0)
    _commit(ingest, telemetry, "b.tar", range(1, 4 * 20, 4))


class _Handle(SimpleNamespace):
    __hash__ = object.__hash__  # as Ray's handles, it may be a key


def _handle(**methods: Callable[..., Any]) -> Any:
    return _Handle(**{name: SimpleNamespace(remote=method) for name, method in methods.items()})


SCENES: dict[str, Callable[[Path, list[str], Telemetry, pytest.MonkeyPatch], None]] = {
    scene.__name__: scene
    for scene in (
        well, opened_again, hung_encoder, full_disk, broken_images, failing_reconstructions, index_that_forgets,
        index_that_is_not_saved, slow_writer, small_map, small_disk, worse_shapes, slow_reconstructions, another_stream,
    )
}  # fmt: skip
