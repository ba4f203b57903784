from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from daemon import recon_stage as module
from daemon.recon_stage import ReconStage
from daemon.storage_wait import StorageWait
from daemon.telemetry import Telemetry
from index.jobs import PublishReport, ReconJob
from index.schedule import Schedule
from ops.errors import ReconstructionError, ShapelodeError, WorkerError


class Remote:
    """An actor's method: calling it gives the reference of its result, which here is the result."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.remote = method


@dataclass
class Miner:
    schedules: list[Schedule]
    published: list[object] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)

    @property
    def due(self) -> Remote:
        return Remote(lambda: self.schedules.pop(0) if self.schedules else Schedule())

    @property
    def recon_input(self) -> Remote:
        return Remote(lambda job: job)

    @property
    def publish(self) -> Remote:
        return Remote(self._publish)

    def _publish(self, output: object) -> object:
        self.published.append(output)
        return WorkerError("the writer died", died=True) if output == "unheard" else report("published")

    @property
    def fail(self) -> Remote:
        return Remote(lambda job, reason: self.failed.append((job.cluster, reason)) or report("failed"))


@dataclass
class Actor:
    results: dict[int, object]

    @property
    def run(self) -> Remote:
        return Remote(lambda job: Result(self.results[job.cluster]))


@dataclass(eq=False)
class Result:
    value: object


@dataclass
class Crew:
    miner: Miner
    reconstructors: list[Actor]
    replaced: list[Actor] = field(default_factory=list)

    def replace_reconstructor(self, dead: Actor) -> Actor:
        self.replaced.append(dead)
        return Actor(dead.results)

    def stop_reconstructors(self) -> None:
        self.reconstructors = []


def report(outcome: str) -> PublishReport:
    return PublishReport(1, outcome, 1, 0.5, False, 1.0, "")


def job(cluster: int) -> ReconJob:
    return ReconJob(cluster, 10, 0, 1.0)


def fake_get(ref: Any) -> Any:
    value = ref.value if isinstance(ref, Result) else ref
    if isinstance(value, ShapelodeError):
        raise value
    return value


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "get", fake_get)
    monkeypatch.setattr("daemon.storage_wait.get", fake_get)


def stage_of(
    schedules: list[Schedule], results: dict[int, object], *others: dict[int, object]
) -> tuple[ReconStage, Crew, list[PublishReport]]:
    crew = Crew(Miner(schedules), [Actor(each) for each in (results, *others)])
    said: list[PublishReport] = []
    telemetry = Telemetry()
    stage = ReconStage(crew, StorageWait(telemetry, 0.0), telemetry, said.append)  # type: ignore[arg-type]
    stage.refresh()
    stage.feed()
    return stage, crew, said


def test_a_result_is_recorded_and_the_next_job_starts() -> None:
    stage, crew, said = stage_of([Schedule([job(1), job(2)]), Schedule([job(2)])], {1: "found", 2: "found too"})
    (ref,) = stage.refs()
    stage.on_done(ref)
    assert crew.miner.published == ["found"] and said[0].outcome == "published"
    stage.feed()
    stage.on_done(stage.refs()[0])
    assert crew.miner.published == ["found", "found too"] and stage.idle


def test_a_cluster_goes_to_the_idle_reconstructor_that_had_it_last() -> None:
    again = [Schedule([job(2), job(1)]), Schedule([job(1), job(2)])]
    stage, crew, _ = stage_of([Schedule([job(1), job(2)]), Schedule(), *again], {1: "a", 2: "b"}, {1: "c", 2: "d"})
    for _ in range(3):
        for ref in stage.refs():
            stage.on_done(ref)
        stage.feed()
    assert sorted(map(str, crew.miner.published)) == ["b", "b", "c", "c"]


def test_a_reconstructor_that_died_is_replaced_and_its_cluster_counts_a_failure() -> None:
    died = WorkerError("a worker died: killed", died=True)
    stage, crew, said = stage_of([Schedule([job(1)]), Schedule([job(2)])], {1: died, 2: "found"})
    old = crew.reconstructors[0]
    stage.on_done(stage.refs()[0])
    assert crew.replaced == [old] and crew.miner.failed == [(1, "a worker died: killed")]
    stage.feed()
    stage.on_done(stage.refs()[0])
    assert crew.miner.published == ["found"] and [one.outcome for one in said] == ["failed", "published"]


@pytest.mark.parametrize("error", [ReconstructionError("out of memory"), WorkerError("TypeError: x", died=False)])
def test_a_reconstruction_that_raised_leaves_its_process_in_place(error: ShapelodeError) -> None:
    stage, crew, _ = stage_of([Schedule([job(1)])], {1: error})
    stage.on_done(stage.refs()[0])
    assert crew.replaced == [] and crew.miner.failed == [(1, str(error))]


def test_what_fails_in_the_writer_is_not_held_against_the_cluster() -> None:
    stage, crew, _ = stage_of([Schedule([job(1)])], {1: "unheard"})
    with pytest.raises(WorkerError, match="the writer died"):
        stage.on_done(stage.refs()[0])
    assert crew.miner.failed == [] and crew.replaced == []


def test_it_waits_for_a_retry_and_asks_again_when_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    stage, _, _ = stage_of([Schedule(retry_in_s=7.0), Schedule([job(1)])], {1: "found"})
    assert not stage.idle and stage.refs() == []
    now = 106.0
    stage.feed()
    assert stage.refs() == []
    now = 107.0
    stage.feed()
    assert len(stage.refs()) == 1


def test_images_that_come_make_it_ask_again_though_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    stage, crew, _ = stage_of([Schedule()], {1: "found"})
    took = 0.5

    def due() -> Schedule:
        now[0] += took
        return Schedule([job(1)])

    monkeypatch.setattr(Miner, "due", Remote(due))
    stage.outdated()
    assert not stage.idle and stage.refs() == []
    stage.feed()
    assert len(stage.refs()) == 1 and now[0] == 100.5, "the look before took no time"
    looks = []
    for _ in range(40):
        before = now[0]
        stage.outdated()
        stage.feed()
        looks.append(now[0] > before)
        now[0] += 1
    assert looks.index(True) == took * module._APART and looks.count(True) == 3, "in forty seconds"
    stage.stop()
    assert stage.idle and crew.reconstructors == []


def test_without_reconstructors_there_is_nothing_to_ask_for() -> None:
    stage, crew, _ = stage_of([], {})
    crew.reconstructors.clear()
    stage.outdated()
    assert stage.idle


def test_stopping_drops_what_runs_and_what_waits() -> None:
    stage, crew, _ = stage_of([Schedule([job(1), job(2)], retry_in_s=5.0)], {1: "found", 2: "found"})
    stage.stop()
    assert stage.idle and stage.refs() == [] and crew.reconstructors == []
