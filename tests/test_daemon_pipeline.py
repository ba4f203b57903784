"""The control loop with actors of this process: what is slow, full or never ends, and what that does to the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon import pipeline as pipeline_module
from daemon import recon_stage as recon_module
from daemon import storage_wait as storage_module
from daemon import triage as triage_module
from daemon.config import Config, load_config
from daemon.pipeline import Pipeline
from daemon.plan import ShardPlan
from daemon.telemetry import Telemetry
from index.ingest import Ingest, IngestConfig
from index.schedule import Policy
from index.stream.batch import Batch, BatchHeader, Mark, ShardCursor
from index.stream.embed import embed_batch
from index.stream.options import ReadOptions
from ops.bench.kills.stream import DIM, ColourEncoder, write_stream
from ops.errors import StorageError, WorkerError
from ops.fsck import check_state, compare_states
from ops.fsck.raw import RawState
from tests.test_daemon_telemetry import value

POLICY = Policy(min_views=4, growth=1.5, max_failures=2, max_images=8)
NEVER = 10**9
BATCHES = 8


class Later:
    """What an actor's method returns: its result or its failure, once and for all, so many looks from now."""

    def __init__(self, result: Callable[[], Any], looks: int = 0) -> None:
        self._result = result
        self._known: list[Any] = []
        self.looks = looks

    def get(self) -> Any:
        if not self._known:
            try:
                self._known.append(self._result())
            except WorkerError as error:
                self._known.append(error)
        if isinstance(self._known[0], WorkerError):
            raise self._known[0]
        return self._known[0]


class Actors:
    """A crew whose methods run when their results are asked for."""

    def __init__(self, state: Path, *, embed_looks: int = 0, full: int = 0) -> None:
        encoder = ColourEncoder()
        self.ingest = Ingest(state, encoder.name, encoder.fingerprint, DIM, IngestConfig(map_size_gib=1.0))
        self._cursor = ShardCursor(ReadOptions(max_side=64))
        self._encoder = encoder
        self._embed_looks = embed_looks
        self._full = full
        self.commits = self.reconstructions = 0
        self.settled_after: list[int] = []
        self.poison: frozenset[str] = frozenset()
        self.deaths: list[tuple[str, ...]] = []
        self.on_death: Callable[[], None] = lambda: None
        self.broken = False
        self.shards = self.ingest.shards()
        self.readers = [_handle(read=self._read)]
        self.embedders = [_handle(embed=self._embed, check=lambda: Later(self._check))]
        self.reconstructors = [_handle(run=self._run)]
        self.miner = _handle(
            commit=lambda batch: Later(lambda: self._commit(batch.get() if isinstance(batch, Later) else batch)),
            settle=lambda: Later(self._settle),
            due=lambda: Later(lambda: self.ingest.due(POLICY)),
            recon_input=lambda job: Later(lambda: self.ingest.recon_input(job, POLICY)),
            reject_shard=lambda shard, error: Later(lambda: self.ingest.reject_shard(shard, error)),
        )

    def _read(self, shard: str, start: int, count: int, mark: Mark) -> tuple[Later, Later]:
        batch: Batch = self._cursor.read(shard, start, count, mark)
        header: BatchHeader = batch.header
        return Later(lambda: header), Later(lambda: batch)

    def _embed(self, batch: Later | Batch) -> Later:
        return Later(lambda: self._embedded(batch.get() if isinstance(batch, Later) else batch), self._embed_looks)

    def _embedded(self, batch: Batch) -> Batch:
        poisoned = self.poison.intersection(sample.key for sample in batch.samples if sample.image is not None)
        if poisoned:
            self.deaths.append(tuple(sample.key for sample in batch.samples))
            self.on_death()
            raise WorkerError("a worker died: killed by an image", died=True)
        return embed_batch(self._encoder, batch)

    def _check(self) -> None:
        if self.broken:
            raise WorkerError("no memory left", died=False)

    def _run(self, given: Later) -> Later:
        self.reconstructions += 1
        return Later(given.get, NEVER)

    def _settle(self) -> Any:
        self.settled_after.append(self.commits)
        return self.ingest.settle()

    def _commit(self, batch: Batch) -> Any:
        if self._full:
            self._full -= 1
            raise StorageError("no_space", "no space left for it; free some space")
        self.commits += 1
        return self.ingest.commit(batch)

    def stop_reconstructors(self) -> None:
        self.reconstructors = []


def _handle(**methods: Callable[..., Any]) -> Any:
    return SimpleNamespace(**{name: SimpleNamespace(remote=method) for name, method in methods.items()})


def replace_ray(patch: pytest.MonkeyPatch) -> None:
    def wait(refs: list[Later], seconds: float) -> list[Later]:
        ready = [ref for ref in refs if not ref.looks]
        for ref in refs:
            ref.looks = max(0, ref.looks - 1)
        return ready[:1]

    for module in (pipeline_module, recon_module, storage_module, triage_module):
        patch.setattr(module, "get", lambda ref: ref.get())
    for waiting in (pipeline_module, triage_module):
        patch.setattr(waiting, "wait", wait)
    patch.setattr(storage_module, "_FIRST_PAUSE_S", 0.01)


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_ray(monkeypatch)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_stream(tmp_path_factory.mktemp("stream"), shards=2, per_shard=32)


def config(**settings: object) -> Config:
    return load_config(None, {"stream.in_flight": 2, "stream.batch_size": 8, **settings}, {})


def run(actors: Actors, shards: list[str], settings: Config | None = None) -> list[int]:
    """Runs until everything is committed; batches in flight at each step."""
    telemetry, loads = Telemetry(), []
    plan = ShardPlan(shards, actors.shards, follow=False)
    pipeline = Pipeline(actors, plan, settings or config(), telemetry, lambda report: None)  # type: ignore[arg-type]
    told = telemetry.in_flight

    def in_flight(batches: int) -> None:
        loads.append(batches)
        told(batches)
        if not plan.waiting and not batches and actors.commits:
            pipeline.stop()  # all of it is committed; a reconstruction that never ends is no reason to wait

    telemetry.in_flight = in_flight  # type: ignore[method-assign]
    try:
        pipeline.run()
    finally:
        actors.ingest.close()
    return loads


@pytest.fixture(scope="module")
def whole(shards: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        replace_ray(patch)
        run(Actors(state), shards)
    yield state


def backpressure(cause: str) -> float:
    return value("shapelode_backpressure_seconds_total", cause=cause)


def test_a_slow_stage_slows_reading_and_is_told(shards: list[str], whole: Path, tmp_path: Path) -> None:
    before = backpressure("embed")
    actors = Actors(tmp_path, embed_looks=50)
    loads = run(actors, shards)
    assert max(loads) == 2 and loads.count(2) > 100
    assert backpressure("embed") > before
    assert compare_states(whole, tmp_path) == []


def test_a_reconstruction_that_never_ends_holds_up_no_image(shards: list[str], whole: Path, tmp_path: Path) -> None:
    actors = Actors(tmp_path)
    run(actors, shards)
    assert actors.reconstructions == 1 and actors.commits == BATCHES
    assert compare_states(whole, tmp_path) == []


def test_the_partition_is_settled_once_and_only_when_the_input_has_ended(shards: list[str], tmp_path: Path) -> None:
    actors = Actors(tmp_path)
    run(actors, shards)
    assert actors.settled_after == [BATCHES]
    following = Actors(tmp_path)
    plan = ShardPlan(shards, following.shards, follow=True)
    telemetry = Telemetry()
    pipeline = Pipeline(following, plan, config(**{"stream.poll_s": 0.01}), telemetry, lambda report: None)  # type: ignore[arg-type]
    looks = iter(range(5))
    telemetry.in_flight = lambda batches: None if next(looks) < 4 else pipeline.stop()  # type: ignore[method-assign]
    pipeline.run()
    following.ingest.close()
    assert following.settled_after == []


def test_a_full_disk_pauses_the_stream_which_then_goes_on(shards: list[str], whole: Path, tmp_path: Path) -> None:
    before = backpressure("no_space")
    actors = Actors(tmp_path, full=3)
    run(actors, shards)
    assert actors.commits == BATCHES and backpressure("no_space") > before
    assert compare_states(whole, tmp_path) == []


def test_a_disk_that_stays_full_ends_the_run_and_the_next_goes_on(
    shards: list[str], whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="free some space"):
        run(Actors(tmp_path, full=NEVER), shards, config(**{"store.space_wait_s": 0.05}))
    run(Actors(tmp_path), shards)
    assert compare_states(whole, tmp_path) == []


def stored(state: Path) -> tuple[set[str], dict[str, str]]:
    """Keys of the images, and of what was refused with the reason."""
    with RawState(state) as raw:
        keys = {str(record["key"]) for _, record in raw.records("samples")}
        return keys, {str(record["key"]): str(record["reason"]) for _, record in raw.records("rejects")}


def test_an_image_that_kills_its_embedder_is_refused_and_nothing_else(
    shards: list[str], whole: Path, tmp_path: Path
) -> None:
    in_peace, refused_in_peace = stored(whole)
    actors = Actors(tmp_path)
    actors.poison = frozenset(sorted(in_peace)[5:25:13])
    run(actors, shards)
    keys, refused = stored(tmp_path)
    assert len(actors.poison) == 2
    assert keys == in_peace - actors.poison
    assert refused == refused_in_peace | dict.fromkeys(actors.poison, "breaks_embedder")
    # Three times alone: a process may have died of something else.
    assert all(actors.deaths.count((key,)) == 3 for key in actors.poison)
    assert check_state(tmp_path).clean


def test_an_embedder_that_died_by_chance_embeds_its_batch_again(shards: list[str], whole: Path, tmp_path: Path) -> None:
    actors = Actors(tmp_path)
    keys, _ = stored(whole)
    actors.poison = frozenset(sorted(keys)[:1])
    actors.on_death = lambda: setattr(actors, "poison", frozenset())
    run(actors, shards)
    assert len(actors.deaths) == 1
    assert compare_states(whole, tmp_path) == []


def test_an_embedder_that_fails_on_a_plain_picture_blames_no_image(
    shards: list[str], whole: Path, tmp_path: Path
) -> None:
    actors = Actors(tmp_path)
    actors.poison, actors.broken = frozenset(stored(whole)[0]), True
    with pytest.raises(WorkerError, match="no memory left"):
        run(actors, shards)
    assert "breaks_embedder" not in stored(tmp_path)[1].values()


def test_a_stop_in_the_middle_of_it_leaves_the_batch_to_the_next_run(
    shards: list[str], whole: Path, tmp_path: Path
) -> None:
    actors = Actors(tmp_path)
    actors.poison = frozenset(stored(whole)[0])
    telemetry = Telemetry()
    pipeline = Pipeline(actors, ShardPlan(shards, [], follow=False), config(), telemetry, lambda report: None)  # type: ignore[arg-type]
    actors.on_death = pipeline.stop
    try:
        pipeline.run()
    finally:
        actors.ingest.close()
    assert actors.deaths and actors.commits == 0
    run(Actors(tmp_path), shards)
    assert compare_states(whole, tmp_path) == []
